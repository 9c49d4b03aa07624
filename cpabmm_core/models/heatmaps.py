"""Keypoint heatmaps: a Gaussian around each keypoint."""

import torch
from torch import Tensor

from cpabmm_core.geometry import local_affine
from cpabmm_core.geometry.autocast import autocast_off
from cpabmm_core.geometry.coordinates import identity_grid

_VARIANCE = 0.01


def isotropic_gaussians(
    keypoints: Tensor,  # (B, N, 2 or 6) in [-1, 1]
    size: tuple[int, int],  # (height, width)
) -> Tensor:  # (B, N, height, width)
    """Render a Gaussian of peak 1 and variance 0.01 around each keypoint.

    Each is computed as the product of a Gaussian along x and one along y.
    """
    points = local_affine.positions(keypoints)
    height, width = size
    x, y = (
        torch.linspace(-1, 1, length, device=points.device, dtype=points.dtype)
        for length in (width, height)
    )
    along_x = torch.exp(-0.5 / _VARIANCE * (x - points[..., :1]).square())
    along_y = torch.exp(-0.5 / _VARIANCE * (y - points[..., 1:]).square())
    return along_y[..., :, None] * along_x[..., None, :]


def anisotropic_gaussians(
    keypoints: Tensor,  # (B, N, 6) in [-1, 1]
    size: tuple[int, int],  # (height, width)
) -> Tensor:  # (B, N, height, width)
    """Render a Gaussian of peak 1 and covariance A A^T around each keypoint of jacobian A."""
    points, jacobians = local_affine.positions(keypoints), local_affine.jacobians(keypoints)
    grid = identity_grid(*size, device=points.device, dtype=points.dtype).flatten(0, 1)
    offsets = grid - points[:, :, None]  # (B, N, height * width, 2)
    with autocast_off(points.device):
        # The length of A^-1 times an offset is its Mahalanobis distance.
        whitened = torch.matmul(offsets, local_affine.inverse(jacobians).transpose(-1, -2))
    return torch.exp(-0.5 * whitened.square().sum(-1)).view(*points.shape[:2], *size)
