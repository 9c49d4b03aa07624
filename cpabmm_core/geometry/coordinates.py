"""The only conversions between normalised coordinates, the unit square and pixels.

Convention: points are (x, y), x to the right and y down. Normalised coordinates run from -1 to 1,
where -1 and 1 are the *centres* of the first and last pixel (``align_corners=True``). The unit
square runs from 0 to 1 between the same two centres.
"""

import torch
from torch import Tensor


def to_unit_square(
    points: Tensor,  # (..., 2) in [-1, 1]
) -> Tensor:  # (..., 2) in [0, 1]
    """Convert normalised coordinates to the unit square in which CPAB works.

    Args:
        points: (x, y) in [-1, 1].

    Returns:
        (x, y) in [0, 1].

    Example:
        >>> to_unit_square(torch.tensor([-1.0, 0.5])).tolist()
        [0.0, 0.75]
    """
    return (points + 1) / 2


def from_unit_square(
    points: Tensor,  # (..., 2) in [0, 1]
) -> Tensor:  # (..., 2) in [-1, 1]
    """Convert points of the unit square to normalised coordinates.

    Args:
        points: (x, y) in [0, 1].

    Returns:
        (x, y) in [-1, 1].

    Example:
        >>> from_unit_square(torch.tensor([0.0, 0.75])).tolist()
        [-1.0, 0.5]
    """
    return points * 2 - 1


def to_pixels(
    points: Tensor,  # (..., 2) in [-1, 1]
    height: int,
    width: int,
) -> Tensor:  # (..., 2), (0, 0) is the centre of the first pixel
    """Convert normalised coordinates to pixels of an image.

    Args:
        points: (x, y) in [-1, 1].
        height: height of the image in pixels.
        width: width of the image in pixels.

    Returns:
        (x, y) in [0, width - 1] and [0, height - 1].

    Example:
        >>> to_pixels(torch.tensor([-1.0, 1.0]), height=48, width=64).tolist()
        [0.0, 47.0]
    """
    return to_unit_square(points) * points.new_tensor([width - 1, height - 1])


def from_pixels(
    points: Tensor,  # (..., 2), (0, 0) is the centre of the first pixel
    height: int,
    width: int,
) -> Tensor:  # (..., 2) in [-1, 1]
    """Convert pixels of an image to normalised coordinates.

    Args:
        points: (x, y) in [0, width - 1] and [0, height - 1].
        height: height of the image in pixels, at least 2.
        width: width of the image in pixels, at least 2.

    Returns:
        (x, y) in [-1, 1].

    Example:
        >>> from_pixels(torch.tensor([0.0, 47.0]), height=48, width=64).tolist()
        [-1.0, 1.0]
    """
    return from_unit_square(points / points.new_tensor([width - 1, height - 1]))


def identity_grid(
    height: int,
    width: int,
    *,
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:  # (height, width, 2) in [-1, 1]
    """Return the normalised coordinates of every pixel: the flow that leaves an image unchanged.

    Args:
        height: rows of the grid.
        width: columns of the grid.
        device: device of the result.
        dtype: dtype of the result.

    Returns:
        (x, y) in [-1, 1] of each pixel.

    Example:
        >>> identity_grid(2, 3)[1].tolist()
        [[-1.0, 1.0], [0.0, 1.0], [1.0, 1.0]]
    """
    x = torch.linspace(-1, 1, width, device=device, dtype=dtype)
    y = torch.linspace(-1, 1, height, device=device, dtype=dtype)
    return torch.stack((x.expand(height, width), y[:, None].expand(height, width)), dim=-1)
