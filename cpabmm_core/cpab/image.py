"""CPAB warps of single pictures."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.cpab.transformation import transform
from cpabmm_core.geometry.coordinates import (
    from_pixels,
    from_unit_square,
    identity_grid,
    to_pixels,
    to_unit_square,
)
from cpabmm_core.geometry.warping import warp

_POINTS_AT_ONCE = 1 << 18  # bounds the memory of the transformation for pictures of any size


class Margin(NamedTuple):
    """Pixels to show around a picture.

    Example:
        >>> Margin(left=2).right
        0
    """

    left: int = 0
    """Pixels to the left."""
    top: int = 0
    """Pixels above."""
    right: int = 0
    """Pixels to the right."""
    bottom: int = 0
    """Pixels below."""


def warp_image(
    space: VelocitySpace,
    theta: Tensor,  # (1, dim)
    image: NDArray[np.uint8],  # (H, W, 3), or (H, W, 4) with alpha, not premultiplied
    *,
    margin: Margin | None = None,
) -> NDArray[np.uint8]:  # of the image's shape plus the margin
    """Move the content of a picture by T^theta.

    Pixels from outside the picture are black, or transparent if the picture has an alpha channel.
    Colours are sampled premultiplied by alpha (Porter and Duff, "Compositing Digital Images",
    1984), so that invisible pixels lend no colour to their neighbours. Fully transparent pixels of
    the result are black.

    Convention:
        The unit square runs from the centre of the first to that of the last pixel, x to the right
        and y downwards. Content at x moves to T^theta(x), so the pixel at y is sampled at
        T^(-theta)(y), bilinearly.

    Args:
        space: admissible fields.
        theta: coordinates of the field.
        image: the picture, of any size.
        margin: pixels to show around the picture, for content that moves out of it. Needs a picture
            of at least 2 x 2 pixels.

    Returns:
        The warped picture.

    Example:
        >>> from cpabmm_core.cpab import Tessellation, VelocitySpace
        >>> space = VelocitySpace(Tessellation(2, 2))
        >>> image = np.full((8, 8, 3), 100, np.uint8)
        >>> warp_image(space, torch.zeros(1, space.dim), image, margin=Margin(left=2)).shape
        (8, 10, 3)
    """
    channels = image.shape[2]
    # float32 resolves a thousandth of a pixel in a picture of 10,000 x 10,000 pixels.
    content = torch.from_numpy(np.array(image, dtype=np.float32)).to(theta.device)
    if channels == 4:
        content[..., :3] *= content[..., 3:] / 255
    content = content.permute(2, 0, 1)[None]
    grid = _positions(image.shape[0], image.shape[1], margin, theta)
    height, width = grid.shape[:2]
    moved = np.empty((height, width, channels), dtype=np.uint8)
    rows = max(1, _POINTS_AT_ONCE // width)
    for top in range(0, height, rows):
        part = to_unit_square(grid[top : top + rows])
        origins = transform(space, theta, part.reshape(1, -1, 2), inverse=True)
        flow = from_unit_square(origins).reshape(1, -1, width, 2)
        sampled = warp(content, flow.to(content))[0].permute(1, 2, 0)
        moved[top : top + rows] = _to_bytes(sampled).cpu().numpy()
    return moved


def _positions(
    height: int, width: int, margin: Margin | None, like: Tensor
) -> Tensor:  # (h, w, 2) in [-1, 1] within the picture
    if margin is None:
        return identity_grid(height, width, device=like.device, dtype=like.dtype)
    shown = height + margin.top + margin.bottom, width + margin.left + margin.right
    grid = identity_grid(*shown, device=like.device, dtype=like.dtype)
    pixels = to_pixels(grid, *shown) - grid.new_tensor([margin.left, margin.top])
    return from_pixels(pixels, height, width)


def _to_bytes(
    sampled: Tensor,  # (h, W, 3 or 4) in [0, 255], colours premultiplied by alpha
) -> Tensor:
    if sampled.shape[2] == 4:
        colour, alpha = sampled[..., :3], sampled[..., 3:]
        visible = alpha.round() > 0  # otherwise the colour would be a quotient of rounding errors
        colour = torch.where(visible, colour * (255 / alpha), 0.0)
        sampled = torch.cat([colour, alpha], dim=2)
    return sampled.round().clamp(0, 255).to(torch.uint8)
