"""Pictures put together."""

from collections.abc import Sequence

import numpy as np

from cpabmm_core.visualize.painting import Colour, Picture


def side_by_side(
    images: Sequence[Picture], *, gap: int = 4, colour: Colour = (255, 255, 255)
) -> Picture:
    """One picture of the images (each (H, W, 3)) in a row, a gap apart, centred vertically.

    Args:
        images: the pictures from left to right, of any sizes.
        gap: pixels between two pictures.
        colour: of the gaps and of what a lower picture leaves free, RGB.
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
