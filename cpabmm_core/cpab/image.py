"""A CPAB transformation applied to a picture."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.cpab.transform import transform
from cpabmm_core.geometry.coordinates import from_unit_square, identity_grid, to_unit_square
from cpabmm_core.geometry.warp import warp

_POINTS_AT_ONCE = 1 << 18  # bounds the memory of the transformation, whatever the picture's size


def warp_image(
    space: VelocitySpace,
    theta: Tensor,  # (1, dim)
    image: NDArray[np.uint8],  # (H, W, 3)
) -> NDArray[np.uint8]:  # (H, W, 3)
    """Move the picture's content by T^theta; what comes from outside the picture is black.

    Convention:
        The unit square runs from the centre of the first to that of the last pixel, x to the right
        and y downwards. What is at x moves to T^theta(x), so the pixel at y is sampled at
        T^(-theta)(y), bilinearly.
    """
    height, width = image.shape[:2]
    grid = identity_grid(height, width, device=theta.device, dtype=theta.dtype)
    points = to_unit_square(grid).reshape(-1, 2)
    origins = [
        transform(space, theta, part[None], inverse=True)[0]
        for part in points.split(_POINTS_AT_ONCE)
    ]
    flow = from_unit_square(torch.cat(origins)).reshape(1, height, width, 2)
    pixels = torch.from_numpy(np.ascontiguousarray(image)).to(flow)
    moved = warp(pixels.permute(2, 0, 1)[None], flow)[0].permute(1, 2, 0)
    return moved.round().clamp(0, 255).to(torch.uint8).cpu().numpy()
