"""Warp loss: the flow should carry the source's features to the driving frame's (as in TPSMM)."""

from dataclasses import replace

import torch
from torch import Tensor

from cpabmm_core.models.dense_motion import Motion


def warp_loss(
    source_features: list[Tensor],  # fine to coarse, each (B, C_i, h_i, w_i)
    driving_features: list[Tensor],  # fine to coarse, each (B, C_i, h_i, w_i)
    motion: Motion,
) -> Tensor:  # ()
    """Sum over levels of the mean L1 distance where the source shows what the driving frame does.

    Features and masks are constants here: the gradient goes to the flow only.
    """
    fixed = replace(motion, occlusion_maps=[mask.detach() for mask in motion.occlusion_maps])
    warped = fixed.warp_features([level.detach() for level in source_features])
    wanted = fixed.mask_features([level.detach() for level in driving_features])
    distances = [(a - b).abs().mean() for a, b in zip(warped, wanted, strict=True)]
    return torch.stack(distances).sum()
