"""A CPAB transformation applied to a picture."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.cpab.transform import transform
from cpabmm_core.geometry.coordinates import (
    from_pixels,
    from_unit_square,
    identity_grid,
    to_pixels,
    to_unit_square,
)
from cpabmm_core.geometry.warp import warp

_POINTS_AT_ONCE = 1 << 18  # bounds the memory of the transformation, whatever the picture's size


class Margin(NamedTuple):
    """Pixels to show around a picture's frame."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0


def warp_image(
    space: VelocitySpace,
    theta: Tensor,  # (1, dim)
    image: NDArray[np.uint8],  # (H, W, 3), or (H, W, 4) with alpha, not premultiplied
    *,
    margin: Margin | None = None,
) -> NDArray[np.uint8]:  # of the image's shape, and the margin around it
    """Move the picture's content by T^theta.

    What comes from outside the picture is black, and transparent where the picture has alpha.
    Colours are weighted by their alpha (sampled premultiplied: Porter and Duff, "Compositing
    Digital Images", 1984), so that what is invisible lends no colour to its neighbours; where
    nothing is visible the colour is black.

    Convention:
        The unit square runs from the centre of the first to that of the last pixel, x to the right
        and y downwards. What is at x moves to T^theta(x), so the pixel at y is sampled at
        T^(-theta)(y), bilinearly.

    Args:
        space: admissible fields.
        theta: coordinates of the field.
        image: the picture, of any size.
        margin: also show what moves out of the picture's frame (of at least 2 x 2 pixels) so far.
    """
    channels = image.shape[2]
    # float32 places a sample to a thousandth of a pixel in pictures of 10,000 pixels a side.
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
) -> Tensor:  # (h, w, 2) in [-1, 1] within the frame
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
        visible = alpha.round() > 0  # else the colour would be a quotient of two roundings
        colour = torch.where(visible, colour * (255 / alpha), 0.0)
        sampled = torch.cat([colour, alpha], dim=2)
    return sampled.round().clamp(0, 255).to(torch.uint8)
