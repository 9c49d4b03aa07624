"""View of the dense motion network for inference."""

from torch import Tensor

from cpabmm_core.models.dense_motion import DenseMotionNetwork, Motion
from cpabmm_core.models.fast.views import Prepare, adopt

_SMALLEST = 1e-18
"""Heatmaps below count as 0. Far from its keypoint, a Gaussian is smaller than the smallest normal
number, and processors compute several times more slowly with such numbers."""


class FastDenseMotionNetwork(DenseMotionNetwork):
    """View of a `DenseMotionNetwork`: the input of the hourglass is written where it is read."""

    def __init__(self, plain: DenseMotionNetwork, prepare: Prepare) -> None:
        """Show `plain`."""
        adopt(self, plain, prepare)

    def forward(
        self,
        source: Tensor,  # (B, 3, H, W), or (1, 3, H, W), in [0, 1]
        kp_source: Tensor,  # (B, N, 2 or 6), or batch 1, in [-1, 1]
        kp_driving: Tensor,  # (B, N, 2 or 6) in [-1, 1]
        candidates: Tensor,  # (B, K, h, w, 2) backward flows, background first
        drop: Tensor | None = None,  # (B, K) bool
    ) -> Motion:
        """Mix the candidates."""
        batch, count, height, width, _ = candidates.shape
        points = kp_driving.shape[1]
        inputs = candidates.new_empty(batch, 1 + points + 3 * count, height, width)
        inputs[:, 0] = 0
        size = (height, width)
        heatmaps = self._heatmaps(kp_driving, size) - self._heatmaps(kp_source, size)
        heatmaps.masked_fill_(heatmaps.abs() < _SMALLEST, 0.0)
        inputs[:, 1 : 1 + points] = heatmaps
        small = self.downsample(source)
        warped = self._warp(small, candidates.flatten(1, 2))
        deformed = inputs[:, 1 + points :].view(batch, count, 3, height, width)
        deformed.copy_(warped.view(batch, 3, count, height, width).transpose(1, 2))
        levels = self.hourglass(inputs)
        return self._mix(candidates, levels, deformed, drop)
