"""Keypoint detector of FOMM and MRAA: an hourglass whose keypoints have jacobians."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from cpabmm_core.geometry.autocast import autocast_off
from cpabmm_core.geometry.local_affine import principal_axes, with_jacobians
from cpabmm_core.models.blocks import AntiAliasDownsample, Hourglass
from cpabmm_core.models.spatial_softmax import spatial_softmax

_TEMPERATURE = 0.1
KERNEL_SIZE = 7
"""Kernel size of the layer that computes the heatmaps, in pixels."""


class RegressedJacobians(nn.Module):
    """Jacobians regressed at every position and averaged over the heatmap.

    Siarohin et al., First Order Motion Model (NeurIPS 2019), section 3.1. Each keypoint has its own
    map of jacobians, or all keypoints share one.
    """

    def __init__(self, in_channels: int, maps: int, padding: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 4 * maps, KERNEL_SIZE, padding=padding)
        nn.init.zeros_(self.conv.weight)
        assert self.conv.bias is not None
        with torch.no_grad():
            self.conv.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 1.0] * maps))

    def forward(
        self,
        features: Tensor,  # (B, in_channels, H, W)
        weights: Tensor,  # (B, N, h * w), sums to 1
        offsets: Tensor,  # (B, N, h * w, 2), positions relative to the keypoints
    ) -> Tensor:  # (B, N, 2, 2)
        """Compute the jacobians; before training they are the identity."""
        batch, keypoints, positions = weights.shape
        maps: Tensor = self.conv(features)
        mean = (maps.view(batch, -1, 4, positions) * weights[:, :, None]).sum(-1)
        return mean.view(batch, keypoints, 2, 2)


class PrincipalAxes(nn.Module):
    """Jacobians from the principal axes of the heatmap (MRAA, CVPR 2021)."""

    def forward(
        self,
        features: Tensor,  # (B, in_channels, H, W), unused
        weights: Tensor,  # (B, N, h * w), sums to 1
        offsets: Tensor,  # (B, N, h * w, 2), positions relative to the keypoints
    ) -> Tensor:  # (B, N, 2, 2)
        """Compute the jacobians from the covariances of the heatmaps."""
        return principal_axes((weights[..., None] * offsets).transpose(-1, -2) @ offsets)


class HourglassKeypointDetector(nn.Module):
    """Hourglass with one heatmap per keypoint: the mean gives its position; it also has a jacobian.

    Example:
        >>> sizes = {"block_expansion": 4, "max_features": 8, "blocks": 2}
        >>> detector = HourglassKeypointDetector(5, "principal", padding=3, **sizes).eval()
        >>> detector(torch.rand(1, 3, 64, 64)).shape
        torch.Size([1, 5, 6])
    """

    def __init__(
        self,
        keypoints: int = 10,
        jacobians: Literal["regressed", "principal"] = "regressed",
        *,
        block_expansion: int = 32,
        max_features: int = 1024,
        blocks: int = 5,
        scale_factor: float = 0.25,
        padding: int = 0,
        single_jacobian_map: bool = False,
    ) -> None:
        """Create the layers.

        Args:
            keypoints: number N of keypoints.
            jacobians: ``regressed`` by a convolution, as in FOMM, or ``principal`` axes of the
                heatmaps, as in MRAA.
            block_expansion: channels of the finest level; they double from level to level.
            max_features: upper bound of the channels of a level.
            blocks: number of levels of the hourglass.
            scale_factor: factor by which the image is downsampled first: 1, 1/2, 1/4, ...
            padding: 3 keeps the heatmaps at the size of the hourglass's output; 0 makes them 6
                pixels smaller.
            single_jacobian_map: let all keypoints share one map of jacobians.
        """
        super().__init__()
        factor = 2 ** round(math.log2(1 / scale_factor))
        self.downsample = AntiAliasDownsample(factor) if factor > 1 else nn.Identity()
        self.hourglass = Hourglass(3, block_expansion, max_features, blocks, norm="batch")
        features = self.hourglass.out_channels[-1]
        self.heatmaps = nn.Conv2d(features, keypoints, KERNEL_SIZE, padding=padding)
        self.jacobians = (
            RegressedJacobians(features, 1 if single_jacobian_map else keypoints, padding)
            if jacobians == "regressed"
            else PrincipalAxes()
        )

    def forward(
        self,
        images: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # (B, N, 6)
        """Detect the keypoints of each image.

        Convention: (x, y) in [-1, 1]; -1 and 1 are the centres of the heatmap's first and last
        pixel.

        Args:
            images: RGB images.

        Returns:
            Positions and jacobians, laid out as in `geometry.local_affine`.
        """
        features = self.hourglass(self.downsample(images))[-1]
        logits = self.heatmaps(features)
        with autocast_off(logits.device):
            weights, grid = spatial_softmax(logits.to(self.heatmaps.weight.dtype), _TEMPERATURE)
            points = weights @ grid
            offsets = grid - points[:, :, None]
            jacobians = self.jacobians(features.to(weights.dtype), weights, offsets)
            return with_jacobians(points, jacobians)
