"""Keypoint detector of FOMM and MRAA: an hourglass, whose keypoints have local affine frames."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from cpabmm_core.geometry.autocast import autocast_off
from cpabmm_core.geometry.local_affine import principal_axes, with_jacobians
from cpabmm_core.models.blocks import AntiAliasDownsample, Hourglass
from cpabmm_core.models.soft_argmax import shares_and_grid

_TEMPERATURE = 0.1
KERNEL_SIZE = 7
"""Of the layer that draws the heatmaps, in pixels."""


class RegressedFrames(nn.Module):
    """A frame at every position, averaged over the heatmap (FOMM, NeurIPS 2019, section 3.1).

    There are as many maps of frames as keypoints, or one for all of them.
    """

    def __init__(self, in_channels: int, maps: int, padding: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 4 * maps, KERNEL_SIZE, padding=padding)
        nn.init.zeros_(self.conv.weight)
        assert self.conv.bias is not None
        with torch.no_grad():
            self.conv.bias.copy_(torch.eye(2).flatten().repeat(maps))

    def forward(
        self,
        features: Tensor,  # (B, in_channels, H, W)
        shares: Tensor,  # (B, N, h * w), sums to 1
        offsets: Tensor,  # (B, N, h * w, 2), of the positions from the keypoints
    ) -> Tensor:  # (B, N, 2, 2)
        """Frames of the keypoints; the identity before training."""
        batch, keypoints, positions = shares.shape
        maps: Tensor = self.conv(features)
        mean = (maps.view(batch, -1, 4, positions) * shares[:, :, None]).sum(-1)
        return mean.view(batch, keypoints, 2, 2)


class PrincipalFrames(nn.Module):
    """The principal axes of the heatmap (MRAA, CVPR 2021)."""

    def forward(
        self,
        features: Tensor,  # (B, in_channels, H, W), not looked at
        shares: Tensor,  # (B, N, h * w), sums to 1
        offsets: Tensor,  # (B, N, h * w, 2), of the positions from the keypoints
    ) -> Tensor:  # (B, N, 2, 2)
        """Frames of the keypoints."""
        return principal_axes((shares[..., None] * offsets).transpose(-1, -2) @ offsets)


class HourglassKeypointDetector(nn.Module):
    """Heatmaps whose means are the keypoints, and what gives each its frame."""

    def __init__(
        self,
        keypoints: int = 10,
        *,
        frames: Literal["jacobian", "pca"] = "jacobian",
        block_expansion: int = 32,
        max_features: int = 1024,
        blocks: int = 5,
        scale_factor: float = 0.25,
        padding: int = 0,
        single_jacobian_map: bool = False,
    ) -> None:
        """Lay out the network.

        Args:
            keypoints: number of keypoints.
            frames: ``jacobian`` for `RegressedFrames`, ``pca`` for `PrincipalFrames`.
            block_expansion: features of the finest level, doubled from level to level.
            max_features: upper bound of the features of a level.
            blocks: levels of the hourglass.
            scale_factor: 1, 1/2, 1/4, ...: the image is shrunk so much before anything else.
            padding: 3 keeps heatmaps as large as the hourglass's output, 0 takes 6 pixels off.
            single_jacobian_map: one map of frames for all keypoints.
        """
        super().__init__()
        factor = 2 ** round(math.log2(1 / scale_factor))
        self.downsample = AntiAliasDownsample(factor) if factor > 1 else nn.Identity()
        self.hourglass = Hourglass(3, block_expansion, max_features, blocks, norm="batch")
        features = self.hourglass.out_channels[-1]
        self.heatmaps = nn.Conv2d(features, keypoints, KERNEL_SIZE, padding=padding)
        self.frames = (
            RegressedFrames(features, 1 if single_jacobian_map else keypoints, padding)
            if frames == "jacobian"
            else PrincipalFrames()
        )

    def forward(
        self,
        images: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # (B, N, 6), positions in [-1, 1] and frames: see geometry.local_affine
        """Detect the keypoints of each image.

        Convention: (x, y), -1 and 1 are the centres of the heatmap's first and last pixel.
        """
        features = self.hourglass(self.downsample(images))[-1]
        logits = self.heatmaps(features)
        with autocast_off(logits.device):
            shares, grid = shares_and_grid(logits.to(self.heatmaps.weight.dtype), _TEMPERATURE)
            points = shares @ grid
            offsets = grid - points[:, :, None]
            frames = self.frames(features.to(shares.dtype), shares, offsets)
            return with_jacobians(points, frames)
