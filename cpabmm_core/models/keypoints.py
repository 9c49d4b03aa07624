"""Keypoint detector: groups of keypoints of one image."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpabmm_core.geometry.autocast import autocast_off
from cpabmm_core.geometry.coordinates import from_unit_square
from cpabmm_core.models.backbones import pooled_backbone, pyramid_backbone
from cpabmm_core.models.soft_argmax import shares_and_grid

_PYRAMID_CHANNELS = 64
_TEMPERATURE = 0.1
_FIRST_WEIGHTS = 0.01


class RegressionHead(nn.Module):
    """Pooled features to coordinates by one linear layer and a sigmoid (the paper's head)."""

    def __init__(self, in_features: int, points: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, points * 2)

    def forward(
        self,
        features: Tensor,  # (B, in_features)
    ) -> Tensor:  # (B, points, 2) in [-1, 1]
        """Read the coordinates off the features."""
        with autocast_off(features.device):
            numbers = self.linear(features.to(self.linear.weight.dtype))
        return from_unit_square(torch.sigmoid(numbers)).view(len(features), -1, 2)


class HeatmapHead(nn.Module):
    """One heatmap a keypoint, read out as its mean position: shifts with the picture."""

    def __init__(self, in_channels: list[int], points: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(c, _PYRAMID_CHANNELS, 1) for c in in_channels)
        self.heatmaps = nn.Conv2d(_PYRAMID_CHANNELS, points, 1)
        # Flat heatmaps at first: the keypoints start out close together and their motion small.
        nn.init.normal_(self.heatmaps.weight, std=_FIRST_WEIGHTS)

    def forward(
        self,
        features: list[Tensor],  # fine to coarse, each (B, in_channels[i], h_i, w_i)
    ) -> Tensor:  # (B, points, 2) in [-1, 1]
        """Add the levels up, draw the heatmaps and take their means."""
        merged, *coarser = (
            lateral(level) for lateral, level in zip(self.laterals, features, strict=True)
        )
        for level in coarser:
            merged = merged + F.interpolate(level, merged.shape[2:], mode="bilinear")
        logits = self.heatmaps(F.relu(merged))
        with autocast_off(logits.device):
            shares, grid = shares_and_grid(logits.to(self.heatmaps.weight.dtype), _TEMPERATURE)
            return torch.matmul(shares, grid)


class KeypointDetector(nn.Module):
    """Backbone and head from an image to `groups` groups of `points_per_group` keypoints."""

    def __init__(
        self,
        backbone: str = "resnet18",
        head: Literal["regression", "heatmap"] = "regression",
        groups: int = 10,
        points_per_group: int = 5,
    ) -> None:
        super().__init__()
        self.groups = groups
        self.points_per_group = points_per_group
        points = groups * points_per_group
        self.backbone: nn.Module
        self.head: nn.Module
        if head == "regression":
            self.backbone, features = pooled_backbone(backbone, in_channels=3)
            self.head = RegressionHead(features, points)
        else:
            self.backbone, channels = pyramid_backbone(backbone, in_channels=3)
            self.head = HeatmapHead(channels, points)

    def forward(
        self,
        images: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # (B, groups * points_per_group, 2) in [-1, 1], group by group
        """Detect the keypoints of each image.

        Convention: (x, y), -1 and 1 are the centres of the first and last pixel.
        """
        keypoints: Tensor = self.head(self.backbone(images))
        return keypoints
