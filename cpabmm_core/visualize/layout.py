"""Arrangements of pictures."""

from collections.abc import Sequence

import numpy as np

from cpabmm_core.visualize.canvas import Colour, Picture


def side_by_side(
    images: Sequence[Picture], *, gap: int = 4, colour: Colour = (255, 255, 255)
) -> Picture:
    """Join images in a row, vertically centred, with gaps between them.

    Args:
        images: (H, W, 3) each, from left to right, of any sizes.
        gap: pixels between two images.
        colour: colour of the gaps and of the space above and below lower images.

    Returns:
        One picture.

    Example:
        >>> large, small = np.zeros((4, 3, 3), np.uint8), np.zeros((2, 5, 3), np.uint8)
        >>> side_by_side([large, small], gap=2).shape
        (4, 10, 3)
    """
    height = max(image.shape[0] for image in images)
    width = sum(image.shape[1] for image in images) + gap * (len(images) - 1)
    row = np.full((height, width, 3), colour, dtype=np.uint8)
    left = 0
    for image in images:
        top = (height - image.shape[0]) // 2
        row[top : top + image.shape[0], left : left + image.shape[1]] = image
        left += image.shape[1] + gap
    return row
