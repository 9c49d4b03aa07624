"""Velocity fields whose transformation is known."""

import torch
from torch import Tensor

from cpabmm_core.cpab import VelocitySpace


def affine_field(
    space: VelocitySpace,
    x: tuple[float, float, float],
    y: tuple[float, float, float],
) -> Tensor:  # (1, dim) float64
    """Return theta of v(p) = (x . [p, 1], y . [p, 1]), the same affine map everywhere."""
    maps = torch.tensor([x, y], dtype=torch.float64).expand(1, space.tessellation.cells, 2, 3)
    return space.coordinates(maps.contiguous())


def translation(space: VelocitySpace, x: float, y: float) -> Tensor:  # (1, dim) float64
    """Return theta of the constant field (x, y), which moves every point by (x, y)."""
    return affine_field(space, (0, 0, x), (0, 0, y))
