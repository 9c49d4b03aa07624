"""Keypoint detector of TPSMM and CPABMM: groups of keypoints from one image."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpabmm_core.geometry.autocast import autocast_off
from cpabmm_core.geometry.coordinates import from_unit_square
from cpabmm_core.models.backbones import build_pooled_backbone, build_pyramid_backbone
from cpabmm_core.models.spatial_softmax import spatial_softmax

_PYRAMID_CHANNELS = 64
_TEMPERATURE = 0.1
_INITIAL_STD = 0.01


class RegressionHead(nn.Module):
    """Linear layer and sigmoid from pooled features to coordinates (the paper's head)."""

    def __init__(self, in_features: int, points: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, points * 2)

    def forward(
        self,
        features: Tensor,  # (B, in_features)
    ) -> Tensor:  # (B, points, 2) in [-1, 1]
        """Compute the coordinates."""
        with autocast_off(features.device):
            numbers = self.linear(features.to(self.linear.weight.dtype))
        return from_unit_square(torch.sigmoid(numbers)).view(features.shape[0], -1, 2)


class HeatmapHead(nn.Module):
    """One heatmap per keypoint, reduced to its mean position; equivariant to translation."""

    def __init__(self, in_channels: list[int], points: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(c, _PYRAMID_CHANNELS, 1) for c in in_channels)
        self.heatmaps = nn.Conv2d(_PYRAMID_CHANNELS, points, 1)
        # Heatmaps start out flat, so that the keypoints start close together and move little.
        nn.init.normal_(self.heatmaps.weight, std=_INITIAL_STD)

    def forward(
        self,
        features: list[Tensor],  # fine to coarse, each (B, in_channels[i], h_i, w_i)
    ) -> Tensor:  # (B, points, 2) in [-1, 1]
        """Sum the levels, compute the heatmaps and return their means."""
        merged, *coarser = (
            lateral(level) for lateral, level in zip(self.laterals, features, strict=True)
        )
        for level in coarser:
            merged = merged + F.interpolate(level, merged.shape[2:], mode="bilinear")
        logits = self.heatmaps(F.relu(merged))
        with autocast_off(logits.device):
            weights, grid = spatial_softmax(logits.to(self.heatmaps.weight.dtype), _TEMPERATURE)
            return torch.matmul(weights, grid)


class KeypointDetector(nn.Module):
    """Backbone and head that detect groups of keypoints, learned without labels.

    Example:
        >>> detector = KeypointDetector("test_efficientnet", groups=2, points_per_group=5).eval()
        >>> detector(torch.rand(1, 3, 64, 64)).shape
        torch.Size([1, 10, 2])
    """

    def __init__(
        self,
        backbone: str = "resnet18",
        head: Literal["regression", "heatmap"] = "regression",
        groups: int = 10,
        points_per_group: int = 5,
    ) -> None:
        """Create the network with random weights.

        Args:
            backbone: ``resnet18`` (torchvision's, as in the paper), or a convolutional model of
                timm.
            head: ``regression`` computes coordinates from pooled features, as in the paper;
                ``heatmap`` computes the mean of one heatmap per keypoint.
            groups: number of groups; each has a candidate motion of its own.
            points_per_group: keypoints per group.

        Raises:
            ConfigError: the backbone is unknown or does not suit the head.
        """
        super().__init__()
        self.groups = groups
        self.points_per_group = points_per_group
        points = groups * points_per_group
        self.backbone: nn.Module
        self.head: nn.Module
        if head == "regression":
            self.backbone, features = build_pooled_backbone(backbone, in_channels=3)
            self.head = RegressionHead(features, points)
        else:
            self.backbone, channels = build_pyramid_backbone(backbone, in_channels=3)
            self.head = HeatmapHead(channels, points)

    def forward(
        self,
        images: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # (B, groups * points_per_group, 2) in [-1, 1]
        """Detect the keypoints of each image.

        Convention: (x, y); -1 and 1 are the centres of the first and last pixel.

        Args:
            images: RGB images.

        Returns:
            The keypoints, group by group.
        """
        keypoints: Tensor = self.head(self.backbone(images))
        return keypoints
