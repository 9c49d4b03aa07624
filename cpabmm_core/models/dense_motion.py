"""Dense motion network: mixes the candidate motions into one flow and predicts occlusion."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpabmm_core.geometry.stretch import flow_stretch
from cpabmm_core.geometry.warping import Padding, resize_flow, warp
from cpabmm_core.models.blocks import AntiAliasDownsample, Hourglass, Norm, UpBlock
from cpabmm_core.models.heatmaps import anisotropic_gaussians, isotropic_gaussians
from cpabmm_core.models.narrow_convolution import NarrowConv2d

_STRETCHED, _TORN = 4.0, 8.0
"""Between these stretches of the deformation, `hide_tears` fades the source out."""


@dataclass(frozen=True)
class Motion:
    """The estimated motion between a source image and a batch of driving poses.

    Flows are backward maps: for each position in the driving frame, the position in the source to
    sample. Convention: (x, y) in [-1, 1] with align_corners=True, unless `align_corners` is false.

    Example:
        >>> from cpabmm_core.geometry.coordinates import identity_grid
        >>> flow, visible = identity_grid(4, 4)[None], torch.full((1, 1, 8, 8), 0.5)
        >>> motion = Motion(flow, torch.ones(1, 1, 4, 4), [visible], torch.zeros(1, 1, 3, 4, 4))
        >>> image = torch.rand(1, 3, 8, 8)
        >>> torch.allclose(motion.warp(image), image, atol=1e-6)
        True
        >>> [warped] = motion.warp_features([image])
        >>> torch.allclose(warped, image / 2, atol=1e-6)
        True
    """

    deformation: Tensor  # (B, h, w, 2)
    """The dense backward flow from each driving pose to the source."""
    contribution_maps: Tensor  # (B, K, h, w)
    """The weight of each candidate motion at each position; sums to 1 over K, background first."""
    occlusion_maps: list[Tensor]  # coarse to fine, each (B, 1, h_i, w_i) in [0, 1]
    """1 where the source shows the content of the driving frame, 0 where it must be filled in."""
    deformed_sources: Tensor  # (B, K, 3, h, w)
    """The downsampled source, warped by each candidate motion."""
    align_corners: bool = True
    """Whether -1 and 1 are pixel centres; false: pixel edges, as `geometry.warp` defines."""
    padding: Padding = "zeros"
    """What the flow shows where it leaves the source, see `geometry.warp`."""

    def warp(
        self,
        image: Tensor,  # (B, C, H, W), or (1, C, H, W), of any size
    ) -> Tensor:  # (B, C, H, W)
        """Warp the source, or one of its feature maps, by the deformation.

        Args:
            image: a tensor in the source's coordinates; the flow is resized to its height and
                width.

        Returns:
            The image in the driving pose.
        """
        flow = resize_flow(
            self.deformation, (image.shape[2], image.shape[3]), align_corners=self.align_corners
        )
        return warp(image, flow, padding=self.padding, align_corners=self.align_corners)

    def visible(
        self,
        image: Tensor,  # (B, C, H, W) of any size
    ) -> Tensor:  # (B, 1, H, W) in [0, 1]
        """Return the occlusion map of an image's size.

        Args:
            image: the tensor to mask; only its size is used.

        Returns:
            The occlusion map of that size, or the finest one resized if none matches.
        """
        size = image.shape[2:]
        for occlusion in self.occlusion_maps:
            if occlusion.shape[2:] == size:
                return occlusion
        return F.interpolate(
            self.occlusion_maps[-1], size, mode="bilinear", align_corners=self.align_corners
        )

    def warp_features(
        self,
        features: list[Tensor],  # fine to coarse, each (B, C_i, h_i, w_i), or batch 1
    ) -> list[Tensor]:  # fine to coarse, each (B, C_i, h_i, w_i)
        """Warp feature maps of the source and mask what is occluded.

        Args:
            features: the source's feature maps, for example from `Generator.encode`.

        Returns:
            The maps in the driving pose, multiplied by the occlusion map of their size.
        """
        return self.mask_features([self.warp(level) for level in features])

    def mask_features(
        self,
        features: list[Tensor],  # fine to coarse, each (B, C_i, h_i, w_i)
    ) -> list[Tensor]:  # fine to coarse, each (B, C_i, h_i, w_i)
        """Mask feature maps of a driving frame where the source does not show the same content.

        Args:
            features: the driving frame's feature maps.

        Returns:
            The maps, multiplied by the occlusion map of their size.
        """
        return [level * self.visible(level) for level in features]


class DenseMotionNetwork(nn.Module):
    """Hourglass that weighs K candidate motions at every position and predicts occlusion maps.

    Its input is a downsampled source warped by each candidate, and for each keypoint the heatmap of
    the driving pose minus that of the source. A softmax over the candidates gives the contribution
    maps M_k, and the deformation is the sum of M_k T_k (Wang et al., Eq. 7).

    Example:
        >>> from cpabmm_core.geometry.coordinates import identity_grid
        >>> sizes = {"block_expansion": 4, "max_features": 8, "blocks": 2, "scale_factor": 0.5}
        >>> network = DenseMotionNetwork(2, 5, occlusion_levels=2, **sizes)
        >>> network.flow_size((32, 32))
        (16, 16)
        >>> candidates = identity_grid(16, 16).expand(1, 2, 16, 16, 2)
        >>> keypoints = torch.zeros(1, 5, 2)
        >>> motion = network(torch.rand(1, 3, 32, 32), keypoints, keypoints, candidates)
        >>> [tuple(occlusion.shape) for occlusion in motion.occlusion_maps]
        [(1, 1, 16, 16), (1, 1, 32, 32)]
    """

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
        anisotropic_heatmaps: bool = False,
        align_corners: bool = True,
        padding: Padding = "zeros",
        hide_tears: bool = False,
    ) -> None:
        """Create the layers.

        Args:
            candidates: number K of candidate motions, including the background.
            keypoints: number N of keypoints.
            block_expansion: channels of the finest level; they double from level to level.
            max_features: upper bound of the channels of a level.
            blocks: number of levels of the hourglass.
            scale_factor: factor by which the source is downsampled first: 1, 1/2, 1/4, ...
            occlusion_levels: number of occlusion maps.
            finest_occlusion: whether the finest occlusion map has the frame's size or the flow's.
            norm: normalisation of the blocks.
            anisotropic_heatmaps: give a keypoint of jacobian A a Gaussian of covariance A A^T; if
                false, all Gaussians are isotropic and of one size.
            align_corners: convention of the candidates and the deformation, see `Motion`.
            padding: what flows show where they leave the source, see `geometry.warp`.
            hide_tears: multiply the finest occlusion map by a map that is 1 where the deformation
                stretches the source less than 4 times, and 0 where more than 8 times.
        """
        super().__init__()
        halvings = round(math.log2(1 / scale_factor))
        self._factor = 2**halvings
        self._heatmaps = anisotropic_gaussians if anisotropic_heatmaps else isotropic_gaussians
        self._align_corners = align_corners
        self._padding = padding
        self._hide_tears = hide_tears
        self.downsample = AntiAliasDownsample(self._factor) if halvings else nn.Identity()
        self.hourglass = Hourglass(
            keypoints + 1 + 3 * candidates, block_expansion, max_features, blocks, norm=norm
        )
        channels = list(self.hourglass.out_channels)
        self.contribution_head = nn.Conv2d(channels[-1], candidates, 7, padding=3)
        self.refine_blocks = nn.ModuleList()
        for _ in range(halvings if finest_occlusion == "frame" else 0):
            self.refine_blocks.append(UpBlock(channels[-1], channels[-1] // 2, norm=norm))
            channels.append(channels[-1] // 2)
        self.occlusion_heads = nn.ModuleList(
            NarrowConv2d(c, 1, kernel_size=7) for c in channels[-occlusion_levels:]
        )

    @property
    def align_corners(self) -> bool:
        """Convention of the candidates and the deformation, see `Motion`."""
        return self._align_corners

    def flow_size(
        self,
        frame_size: tuple[int, int],  # (H, W)
    ) -> tuple[int, int]:  # (h, w)
        """Return the size of the flow that is estimated for frames of `frame_size`."""
        height, width = frame_size
        return math.ceil(height / self._factor), math.ceil(width / self._factor)

    def forward(
        self,
        source: Tensor,  # (B, 3, H, W), or (1, 3, H, W), in [0, 1]
        kp_source: Tensor,  # (B, N, 2 or 6), or batch 1, in [-1, 1]
        kp_driving: Tensor,  # (B, N, 2 or 6) in [-1, 1]
        candidates: Tensor,  # (B, K, h, w, 2) backward flows, background first
        drop: Tensor | None = None,  # (B, K) bool
    ) -> Motion:
        """Mix the candidates.

        Args:
            source: the source images.
            kp_source: keypoints of the source.
            kp_driving: keypoints of the driving frames.
            candidates: candidate motions of size `flow_size`.
            drop: candidates to leave out, which then contribute exactly 0 everywhere; at least one
                must remain.

        Returns:
            The deformation, the contribution maps and the occlusion maps.
        """
        batch, count, height, width, _ = candidates.shape
        small = self.downsample(source)
        # Stacking the flows vertically warps the image by all candidates without copying it.
        deformed = self._warp(small, candidates.flatten(1, 2))
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
        return self._mix(candidates, levels, deformed, drop)

    def _mix(
        self,
        candidates: Tensor,  # (B, K, h, w, 2)
        levels: list[Tensor],  # coarse to fine, each (B, C_i, h_i, w_i)
        deformed: Tensor,  # (B, K, 3, h, w)
        drop: Tensor | None,  # (B, K) bool
    ) -> Motion:
        """Weigh the candidates by the hourglass's output."""
        logits = self.contribution_head(levels[-1])
        if drop is not None:
            logits = logits.masked_fill(drop[:, :, None, None], -math.inf)
        contributions = logits.to(candidates.dtype).softmax(dim=1)
        deformation = (contributions[..., None] * candidates).sum(dim=1)
        return Motion(
            deformation,
            contributions,
            self._occlusion_maps(levels, deformation),
            deformed,
            self._align_corners,
            self._padding,
        )

    def _warp(
        self,
        image: Tensor,  # (B, C, H, W), or batch 1
        flow: Tensor,  # (B, h, w, 2)
    ) -> Tensor:  # (B, C, h, w)
        return warp(image, flow, padding=self._padding, align_corners=self._align_corners)

    def _occlusion_maps(
        self,
        levels: list[Tensor],  # coarse to fine, each (B, C_i, h_i, w_i)
        deformation: Tensor,  # (B, h, w, 2)
    ) -> list[Tensor]:  # coarse to fine, each (B, 1, h_i, w_i)
        levels = list(levels)
        for refine in self.refine_blocks:
            levels.append(refine(levels[-1]))
        finest = levels[-len(self.occlusion_heads) :]
        maps = [
            head(level).sigmoid() for head, level in zip(self.occlusion_heads, finest, strict=True)
        ]
        if self._hide_tears:
            maps[-1] = maps[-1] * self._untorn(deformation, maps[-1])
        return maps

    @torch.no_grad()
    def _untorn(
        self,
        deformation: Tensor,  # (B, h, w, 2)
        like: Tensor,  # (B, 1, H, W)
    ) -> Tensor:  # (B, 1, H, W) in [0, 1]
        """Return where the deformation stretches the source moderately.

        Between two parts that move differently, the deformation runs through all positions between
        theirs. What the source shows there, often the outline of a limb, belongs to neither.
        Beyond the source's border there is nothing to pull apart.
        """
        stretch = flow_stretch(deformation.clamp(-1, 1), align_corners=self._align_corners)
        untorn = ((_TORN - stretch) / (_TORN - _STRETCHED)).clamp(0, 1)
        return F.interpolate(
            untorn, like.shape[2:], mode="bilinear", align_corners=self._align_corners
        ).to(like.dtype)
