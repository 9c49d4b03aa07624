"""The only conversions between normalised coordinates, the unit square and pixels.

Convention: points are (x, y), x to the right and y down. Normalised coordinates run from -1 to 1,
where -1 and 1 are the *centres* of the first and last pixel (``align_corners=True``); the unit
square runs from 0 to 1 between the same two centres.
"""

import torch
from torch import Tensor


def to_unit_square(
    points: Tensor,  # (..., 2) in [-1, 1]
) -> Tensor:  # (..., 2) in [0, 1]
    """Normalised coordinates to the unit square in which CPAB works."""
    return (points + 1) / 2


def from_unit_square(
    points: Tensor,  # (..., 2) in [0, 1]
) -> Tensor:  # (..., 2) in [-1, 1]
    """Unit square to normalised coordinates."""
    return points * 2 - 1


def to_pixels(
    points: Tensor,  # (..., 2) in [-1, 1]
    height: int,
    width: int,
) -> Tensor:  # (..., 2), (0, 0) is the centre of the first pixel
    """Normalised coordinates to pixels of an image of that size."""
    return to_unit_square(points) * points.new_tensor([width - 1, height - 1])


def from_pixels(
    points: Tensor,  # (..., 2), (0, 0) is the centre of the first pixel
    height: int,
    width: int,
) -> Tensor:  # (..., 2) in [-1, 1]
    """Pixels of an image of that size (at least 2 x 2) to normalised coordinates."""
    return from_unit_square(points / points.new_tensor([width - 1, height - 1]))


def identity_grid(
    height: int,
    width: int,
    *,
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:  # (height, width, 2) in [-1, 1]
    """Normalised coordinates of every pixel: the flow that leaves an image as it is.

    Example:
        >>> identity_grid(2, 3)[1].tolist()
        [[-1.0, 1.0], [0.0, 1.0], [1.0, 1.0]]
    """
    x = torch.linspace(-1, 1, width, device=device, dtype=dtype)
    y = torch.linspace(-1, 1, height, device=device, dtype=dtype)
    return torch.stack((x.expand(height, width), y[:, None].expand(height, width)), dim=-1)
