"""Equivariance losses: keypoints follow a known deformation of the frame (FOMM, NeurIPS 2019)."""

import torch
from torch import Tensor

from cpabmm_core.geometry import local_affine
from cpabmm_core.geometry.autocast import autocast_off
from cpabmm_core.geometry.local_affine import inverse, jacobians, positions
from cpabmm_core.geometry.tps import ThinPlateSpline


def equivariance_loss(
    keypoints: Tensor,  # (B, N, 2 or 6) in [-1, 1], of the frame
    deformed_keypoints: Tensor,  # (B, N, 2 or 6), of the frame sampled at deformation(grid)
    deformation: ThinPlateSpline,
) -> Tensor:  # ()
    """Return the mean L1 distance of the keypoints from the deformed frame's, mapped back.

    Args:
        keypoints: keypoints of the frame.
        deformed_keypoints: keypoints of the deformed frame.
        deformation: backward map from the deformed frame to the frame.

    Example:
        >>> from cpabmm_core.geometry.tps import random_tps
        >>> deformation = random_tps(1, generator=torch.Generator().manual_seed(0))
        >>> points = torch.tensor([[[0.0, 0.5], [-0.3, 0.2]]])
        >>> equivariance_loss(deformation(points), points, deformation)
        tensor(0.)
    """
    mapped_back = deformation(positions(deformed_keypoints))
    return (positions(keypoints) - mapped_back).abs().mean()


def frame_equivariance_loss(
    keypoints: Tensor,  # (B, N, 6): see geometry.local_affine
    deformed_keypoints: Tensor,  # (B, N, 6), of the frame sampled at deformation(grid)
    deformation: ThinPlateSpline,
    *,
    undirected: bool = False,
) -> Tensor:  # ()
    """Return the mean L1 distance of A^-1 J A' from the identity (FOMM, section 3.3).

    A is a keypoint's jacobian, A' that of the deformed frame's keypoint, and J the derivative of
    the deformation there.

    Args:
        keypoints: keypoints of the frame.
        deformed_keypoints: keypoints of the deformed frame.
        deformation: backward map from the deformed frame to the frame.
        undirected: treat A and -A as equal and use the closer one.

    Example:
        >>> from cpabmm_core.geometry.tps import random_tps
        >>> still = random_tps(1, sigma_affine=0.0, sigma_tps=0.0)
        >>> points = torch.tensor([[[0.0, 0.5, 1.0, 0.0, 0.0, 1.0]]])
        >>> frame_equivariance_loss(points, points, still).round(decimals=5)
        tensor(0.)
    """
    slope = deformation.jacobian(positions(deformed_keypoints))
    with autocast_off(keypoints.device):
        product = inverse(jacobians(keypoints)) @ slope @ jacobians(deformed_keypoints)
    if undirected:
        product = local_affine.canonical_sign(product)
    identity = torch.eye(2, device=product.device, dtype=product.dtype)
    return (product - identity).abs().mean()
