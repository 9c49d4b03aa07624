"""Equivariance loss: keypoints move with the picture (FOMM, Siarohin et al., 2019)."""

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
    """Mean L1 distance between the keypoints and those of the deformed frame, mapped back."""
    mapped_back = deformation(positions(deformed_keypoints))
    return (positions(keypoints) - mapped_back).abs().mean()


def frame_equivariance_loss(
    keypoints: Tensor,  # (B, N, 6): see geometry.local_affine
    deformed_keypoints: Tensor,  # (B, N, 6), of the frame sampled at deformation(grid)
    deformation: ThinPlateSpline,
    *,
    undirected: bool = False,
) -> Tensor:  # ()
    """Mean L1 distance of A^-1 J A' from the identity (FOMM, NeurIPS 2019, section 3.3).

    A are the keypoints' frames, A' those of the deformed frame and J the deformation's derivative
    there. With `undirected` frames A and -A mean the same, and the nearer one counts.
    """
    slope = deformation.jacobian(positions(deformed_keypoints))
    with autocast_off(keypoints.device):
        product = inverse(jacobians(keypoints)) @ slope @ jacobians(deformed_keypoints)
    if undirected:
        product = local_affine.canonical_sign(product)
    identity = torch.eye(2, device=product.device, dtype=product.dtype)
    return (product - identity).abs().mean()
