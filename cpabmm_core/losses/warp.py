"""Warp loss: warped source features match the driving frame's features (as in TPSMM)."""

from dataclasses import replace

import torch
from torch import Tensor

from cpabmm_core.models.dense_motion import Motion


def warp_loss(
    source_features: list[Tensor],  # fine to coarse, each (B, C_i, h_i, w_i)
    driving_features: list[Tensor],  # fine to coarse, each (B, C_i, h_i, w_i)
    motion: Motion,
) -> Tensor:  # ()
    """Return the sum over levels of the mean L1 distance, masked by the occlusion maps.

    Features and occlusion maps are constants here. Only the flow receives a gradient.

    Args:
        source_features: the generator's encoding of the source frames.
        driving_features: the generator's encoding of the driving frames.
        motion: flow and occlusion maps from source to driving.

    Example:
        >>> from cpabmm_core.geometry.coordinates import identity_grid
        >>> still = Motion(
        ...     deformation=identity_grid(4, 4)[None],
        ...     contribution_maps=torch.ones(1, 1, 4, 4),
        ...     occlusion_maps=[torch.ones(1, 1, 4, 4)],
        ...     deformed_sources=torch.zeros(1, 1, 3, 4, 4),
        ... )
        >>> features = [torch.rand(1, 8, 4, 4)]
        >>> warp_loss(features, features, still) < 1e-5
        tensor(True)
    """
    fixed = replace(motion, occlusion_maps=[mask.detach() for mask in motion.occlusion_maps])
    warped = fixed.warp_features([level.detach() for level in source_features])
    target = fixed.mask_features([level.detach() for level in driving_features])
    distances = [(a - b).abs().mean() for a, b in zip(warped, target, strict=True)]
    return torch.stack(distances).sum()
