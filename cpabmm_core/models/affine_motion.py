"""Candidate motions of FOMM and MRAA: one affine map per keypoint."""

from typing import Literal

import torch
from torch import Tensor

from cpabmm_core.geometry import local_affine
from cpabmm_core.geometry.autocast import autocast_off
from cpabmm_core.geometry.coordinates import identity_grid


class AffineMotion:
    """One affine map per keypoint, from positions p and jacobians A of source S and driving D.

    T(z) = p_S + A_S A_D^-1 (z - p_D); Siarohin et al., First Order Motion Model (NeurIPS 2019),
    section 3.1.

    Example:
        >>> from cpabmm_core.geometry.local_affine import with_jacobians
        >>> jacobians = torch.eye(2).expand(1, 1, 2, 2)
        >>> source = with_jacobians(torch.tensor([[[0.5, 0.0]]]), jacobians)
        >>> driving = with_jacobians(torch.tensor([[[0.0, 0.0]]]), jacobians)
        >>> AffineMotion(keypoints=1)(source, driving, (3, 3))[0, 0, 1].tolist()  # shifted by 0.5
        [[-0.5, 0.0], [0.5, 0.0], [1.5, 0.0]]
    """

    kind: Literal["affine"] = "affine"

    def __init__(self, keypoints: int, *, undirected: bool = False) -> None:
        """Set the number of maps.

        Args:
            keypoints: number of keypoints.
            undirected: whether the jacobians are axes without a direction, see
                `local_affine.canonical_sign`.
        """
        self.count = keypoints
        self.undirected = undirected

    def __call__(
        self,
        kp_source: Tensor,  # (B, N, 6) in [-1, 1]
        kp_driving: Tensor,  # (B, N, 6) in [-1, 1]
        size: tuple[int, int],  # (h, w)
    ) -> Tensor:  # (B, count, h, w, 2) in [-1, 1]
        """Evaluate the maps; differentiable in the keypoints.

        Args:
            kp_source: keypoints of the source.
            kp_driving: keypoints of the driving frames.
            size: height and width of the flows.

        Returns:
            One backward flow per keypoint.
        """
        kp_source, kp_driving = kp_source.float(), kp_driving.float()
        start, end = (local_affine.positions(points) for points in (kp_driving, kp_source))
        matrix = local_affine.jacobian_between(kp_driving, kp_source)
        if self.undirected:
            matrix = local_affine.canonical_sign(matrix)
        grid = identity_grid(*size, device=matrix.device).flatten(0, 1)
        with autocast_off(matrix.device):
            turned = torch.matmul(grid - start[:, :, None], matrix.transpose(-1, -2))
        moved = turned + end[:, :, None]
        return moved.view(-1, self.count, *size, 2)
