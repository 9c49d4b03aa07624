"""Candidate motions of TPSMM: one thin-plate spline per group of keypoints."""

from typing import Literal

from torch import Tensor

from cpabmm_core.geometry.tps import fit_tps


class TpsMotion:
    """One thin-plate spline per group of keypoints (Zhao and Zhang, TPSMM, CVPR 2022).

    Example:
        >>> import torch
        >>> corners = torch.tensor([[[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]])
        >>> flow = TpsMotion(groups=1)(corners / 2, corners, (3, 3))
        >>> torch.allclose(flow[0, 0, 0, 0], torch.tensor([-0.5, -0.5]), atol=1e-4)
        True
    """

    kind: Literal["tps"] = "tps"
    undirected = False

    def __init__(self, groups: int) -> None:
        """Set the number of groups of keypoints."""
        self.count = groups

    def __call__(
        self,
        kp_source: Tensor,  # (B, N, 2) in [-1, 1], group by group
        kp_driving: Tensor,  # (B, N, 2) in [-1, 1]
        size: tuple[int, int],  # (h, w)
    ) -> Tensor:  # (B, count, h, w, 2) in [-1, 1]
        """Fit a spline to each group and evaluate it; differentiable in the keypoints.

        Args:
            kp_source: keypoints of the source.
            kp_driving: keypoints of the driving frames.
            size: height and width of the flows.

        Returns:
            One backward flow per group.
        """
        batch = kp_driving.shape[0]
        groups = batch * self.count
        driving, source = (
            points.float().reshape(groups, -1, 2) for points in (kp_driving, kp_source)
        )
        return fit_tps(driving, source).flow(*size).view(batch, self.count, *size, 2)
