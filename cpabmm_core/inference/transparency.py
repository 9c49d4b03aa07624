"""Separation of a picture's colours from the colour that it was put on."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cpabmm_core.arrays import Frame

Colour = tuple[float, float, float]
"""Red, green and blue in [0, 1]."""
WHITE: Colour = (1.0, 1.0, 1.0)

_KEY_FROM, _KEY_TO = 0.02, 0.5
"""Differences from the matte, in [0, 1], at which a colour is transparent and opaque."""


def on_matte(
    picture: Frame,  # (H, W, 4) uint8, colours not premultiplied
    matte: Colour,
) -> Frame:  # (H, W, 3) uint8
    """Put a picture with transparent parts on a colour.

    Example:
        >>> import numpy as np
        >>> on_matte(np.zeros((1, 1, 4), np.uint8), (0.0, 0.5, 1.0)).tolist()
        [[[0, 128, 255]]]
    """
    opaque = Image.new("RGB", picture.shape[1::-1], tuple(round(255 * part) for part in matte))
    mixed = Image.fromarray(picture)
    opaque.paste(mixed, mask=mixed)
    return np.array(opaque)


def key(
    images: Tensor,  # (B, 3, H, W) in [0, 1]
    matte: Colour,
) -> Tensor:  # (B, 1, H, W) in [0, 1]
    """Estimate alpha from colours alone: the more they differ from the matte, the more opaque."""
    difference = (images - _pixel(matte, images)).abs().amax(dim=1, keepdim=True)
    return ((difference - _KEY_FROM) / (_KEY_TO - _KEY_FROM)).clamp(0, 1)


def unmix(
    images: Tensor,  # (B, 3, H, W) in [0, 1]
    alpha: Tensor,  # (B, 1, H, W) in [0, 1]
    matte: Colour,
) -> Tensor:  # (B, 4, H, W) in [0, 1]
    """Return RGBA images that give the same colours on the matte.

    Alpha is raised where no colour in [0, 1] could otherwise give the image.

    Args:
        images: colours mixed with the matte.
        alpha: the share of the colour itself.
        matte: the colour that the images are mixed with.

    Returns:
        Colours that are no longer mixed, not premultiplied, and alpha.

    Example:
        >>> grey = torch.full((1, 3, 1, 1), 0.5)
        >>> unmix(grey, torch.full((1, 1, 1, 1), 0.5), WHITE).flatten().tolist()  # black, half
        [0.0, 0.0, 0.0, 0.5]
        >>> unmix(grey, torch.zeros(1, 1, 1, 1), WHITE).flatten().tolist()  # the least alpha
        [0.0, 0.0, 0.0, 0.5]
    """
    behind = _pixel(matte, images)
    difference = images - behind
    # The furthest that a colour can lie from the matte, in the direction of the image.
    reach = torch.where(difference > 0, 1 - behind, behind).clamp(min=1e-6)
    least = (difference.abs() / reach).amax(dim=1, keepdim=True)
    alpha = torch.maximum(alpha, least).clamp(0, 1)
    colours = (behind + difference / alpha.clamp(min=1e-6)).clamp(0, 1)
    return torch.cat((colours, alpha), dim=1)


def _pixel(matte: Colour, like: Tensor) -> Tensor:  # (1, 3, 1, 1)
    return like.new_tensor(matte).view(1, 3, 1, 1)
