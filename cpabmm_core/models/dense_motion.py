"""Dense motion network: mixes candidate motions into one flow and masks occlusions."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpabmm_core.geometry import local_affine
from cpabmm_core.geometry.autocast import autocast_off
from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.geometry.warping import resize_flow, warp
from cpabmm_core.models.blocks import AntiAliasDownsample, Hourglass, Norm, UpBlock

_HEATMAP_VARIANCE = 0.01


@dataclass(frozen=True)
class Motion:
    """How a driving frame is drawn from the source.

    Flows are backward maps: at each driving position, where to sample the source; (x, y) in
    [-1, 1], align_corners=True unless `align_corners` says otherwise.
    """

    deformation: Tensor  # (B, h, w, 2)
    contribution_maps: Tensor  # (B, K, h, w), sums to 1 over K
    occlusion_maps: list[Tensor]  # coarse to fine, each (B, 1, h_i, w_i) in [0, 1], 1 = visible
    deformed_sources: Tensor  # (B, K, 3, h, w)
    align_corners: bool = True
    """False: the flow is meant as `geometry.warping.warp` takes it with align_corners=False."""

    def warp(
        self,
        image: Tensor,  # (B, C, H, W), or (1, C, H, W), of any size
    ) -> Tensor:  # (B, C, H, W)
        """The source, or a feature map of it, moved by the flow."""
        flow = resize_flow(
            self.deformation, (image.shape[2], image.shape[3]), align_corners=self.align_corners
        )
        return warp(image, flow, align_corners=self.align_corners)

    def visible(
        self,
        image: Tensor,  # (B, C, H, W) of any size
    ) -> Tensor:  # (B, 1, H, W) in [0, 1]
        """The occlusion map of an image's size; if there is none, the finest one resized."""
        size = image.shape[2:]
        for occlusion in self.occlusion_maps:
            if occlusion.shape[2:] == size:
                return occlusion
        return F.interpolate(
            self.occlusion_maps[-1], size, mode="bilinear", align_corners=self.align_corners
        )


class DenseMotionNetwork(nn.Module):
    """Hourglass on heatmaps and on the small source warped by each candidate motion."""

    def __init__(
        self,
        candidates: int,
        keypoints: int,
        *,
        block_expansion: int = 64,
        max_features: int = 1024,
        blocks: int = 5,
        scale_factor: float = 0.25,
        occlusion_levels: int = 4,
        finest_occlusion: Literal["frame", "flow"] = "frame",
        norm: Norm = "instance",
        shaped_heatmaps: bool = False,
        align_corners: bool = True,
    ) -> None:
        """Lay out the network.

        Args:
            candidates: number K of candidate motions, the background included.
            keypoints: number of keypoints.
            block_expansion: features of the finest level, doubled from level to level.
            max_features: upper bound of the features of a level.
            blocks: levels of the hourglass.
            scale_factor: 1, 1/2, 1/4, ...: the frame is shrunk so much before anything else.
            occlusion_levels: number of occlusion maps.
            finest_occlusion: the finest of them is as large as the frame, or as the flow.
            norm: normalisation of the blocks.
            shaped_heatmaps: the Gaussian of a keypoint has the covariance A A^T of its frame A;
                else all are round and of one size.
            align_corners: convention of the candidates and the flow, see `Motion`.
        """
        super().__init__()
        doublings = round(math.log2(1 / scale_factor))
        self._factor = 2**doublings
        self._heatmaps = _shaped_gaussians if shaped_heatmaps else round_gaussians
        self._align_corners = align_corners
        self.downsample = AntiAliasDownsample(self._factor) if doublings else nn.Identity()
        self.hourglass = Hourglass(
            keypoints + 1 + 3 * candidates, block_expansion, max_features, blocks, norm=norm
        )
        channels = list(self.hourglass.out_channels)
        self.contribution_head = nn.Conv2d(channels[-1], candidates, 7, padding=3)
        self.refine_blocks = nn.ModuleList()
        for _ in range(doublings if finest_occlusion == "frame" else 0):
            self.refine_blocks.append(UpBlock(channels[-1], channels[-1] // 2, norm=norm))
            channels.append(channels[-1] // 2)
        self.occlusion_heads = nn.ModuleList(
            nn.Conv2d(c, 1, 7, padding=3) for c in channels[-occlusion_levels:]
        )

    def flow_size(
        self,
        frame_size: tuple[int, int],  # (H, W)
    ) -> tuple[int, int]:  # (h, w)
        """Size at which the motion of frames of that size is estimated."""
        height, width = frame_size
        return math.ceil(height / self._factor), math.ceil(width / self._factor)

    def forward(
        self,
        source: Tensor,  # (B, 3, H, W), or (1, 3, H, W), in [0, 1]
        kp_source: Tensor,  # (B, N, 2 or 6), or batch 1, in [-1, 1]
        kp_driving: Tensor,  # (B, N, 2 or 6) in [-1, 1]
        candidates: Tensor,  # (B, K, h, w, 2) backward flows, background first
        drop: Tensor | None = None,  # (B, K) bool, True takes the candidate out; never all of them
    ) -> Motion:
        """Mix the candidates; a dropped one contributes exactly 0 everywhere."""
        batch, count, height, width, _ = candidates.shape
        small = self.downsample(source)
        # One tall flow warps the image by all candidates without a copy of it for each.
        deformed = warp(small, candidates.flatten(1, 2), align_corners=self._align_corners)
        deformed = deformed.view(batch, 3, count, height, width).transpose(1, 2)
        heatmaps = self._heatmaps(kp_driving, (height, width))
        heatmaps = heatmaps - self._heatmaps(kp_source, (height, width))
        levels = self.hourglass(
            torch.cat(
                (
                    heatmaps.new_zeros(batch, 1, height, width),
                    heatmaps,
                    deformed.reshape(batch, 3 * count, height, width),
                ),
                dim=1,
            )
        )
        logits = self.contribution_head(levels[-1])
        if drop is not None:
            logits = logits.masked_fill(drop[:, :, None, None], -math.inf)
        contributions = logits.to(candidates.dtype).softmax(dim=1)
        deformation = (contributions[..., None] * candidates).sum(dim=1)
        return Motion(
            deformation, contributions, self._occlusion_maps(levels), deformed, self._align_corners
        )

    def _occlusion_maps(
        self,
        levels: list[Tensor],  # coarse to fine, each (B, C_i, h_i, w_i)
    ) -> list[Tensor]:  # coarse to fine, each (B, 1, h_i, w_i)
        levels = list(levels)
        for refine in self.refine_blocks:
            levels.append(refine(levels[-1]))
        finest = levels[-len(self.occlusion_heads) :]
        return [
            head(level).sigmoid() for head, level in zip(self.occlusion_heads, finest, strict=True)
        ]


def round_gaussians(
    keypoints: Tensor,  # (B, N, 2 or 6) in [-1, 1]
    size: tuple[int, int],  # (height, width)
) -> Tensor:  # (B, N, height, width)
    """A Gaussian of peak 1 around each keypoint, as the product of one along x and one along y."""
    points = local_affine.positions(keypoints)
    height, width = size
    x, y = (
        torch.linspace(-1, 1, length, device=points.device, dtype=points.dtype)
        for length in (width, height)
    )
    along_x = torch.exp(-0.5 / _HEATMAP_VARIANCE * (x - points[..., :1]).square())
    along_y = torch.exp(-0.5 / _HEATMAP_VARIANCE * (y - points[..., 1:]).square())
    return along_y[..., :, None] * along_x[..., None, :]


def _shaped_gaussians(
    keypoints: Tensor,  # (B, N, 6) in [-1, 1]
    size: tuple[int, int],  # (height, width)
) -> Tensor:  # (B, N, height, width)
    """A Gaussian of peak 1 around each keypoint, of covariance A A^T for its frame A."""
    points, frames = local_affine.positions(keypoints), local_affine.jacobians(keypoints)
    grid = identity_grid(*size, device=points.device, dtype=points.dtype).flatten(0, 1)
    offsets = grid - points[:, :, None]  # (B, N, height * width, 2)
    with autocast_off(points.device):
        # Offsets seen from the frame: their length is the Mahalanobis distance.
        seen = torch.matmul(offsets, local_affine.inverse(frames).transpose(-1, -2))
    return torch.exp(-0.5 * seen.square().sum(-1)).view(*points.shape[:2], *size)
