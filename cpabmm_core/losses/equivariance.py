"""Equivariance loss: keypoints move with the picture (FOMM, Siarohin et al., 2019)."""

from torch import Tensor

from cpabmm_core.geometry.tps import ThinPlateSpline


def equivariance_loss(
    keypoints: Tensor,  # (B, N, 2) in [-1, 1], of the frame
    deformed_keypoints: Tensor,  # (B, N, 2), of the frame sampled at deformation(grid)
    deformation: ThinPlateSpline,
) -> Tensor:  # ()
    """Mean L1 distance between the keypoints and those of the deformed frame, mapped back."""
    return (keypoints - deformation(deformed_keypoints)).abs().mean()
