"""Telling a strip of square frames from a picture whose width is a multiple of its height."""

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.arrays import Frame

_MOST_PAIRS = 16
"""A longer strip is judged by this many of its pairs of neighbours."""
_SIDE = 128
"""Pixels. Larger squares are compared at about this side."""


def count_strip_frames(
    image: Frame,  # (H, W, 3|4)
) -> int:
    """Return the number of square frames that an image consists of; 1 for a single picture.

    An image whose width is a multiple (2 or more) of its height is a strip if its squares resemble
    each other: the difference between neighbours is smaller than that between the pixels of a row.
    Frames of a video seldom differ by more than 0.9 of that, and squares of one photo by less than
    1.1 (independent ones by the square root of 2).

    Example:
        >>> rng = np.random.default_rng(0)
        >>> photo = rng.integers(0, 256, (8, 24, 3), dtype=np.uint8)
        >>> count_strip_frames(photo), count_strip_frames(np.tile(photo[:, :8], (1, 3, 1)))
        (1, 3)
    """
    height, width = image.shape[:2]
    count = width // height
    if width % height or count < 2:
        return 1
    step = -(-height // _SIDE)
    pairs = np.unique(np.linspace(1, count - 1, min(count - 1, _MOST_PAIRS)).round().astype(int))
    difference = spread = 0.0
    for number in pairs:
        edge = int(number) * height
        one = image[::step, edge - height : edge : step].astype(np.float32)
        other = image[::step, edge : edge + height : step].astype(np.float32)
        difference += float(np.abs(one - other).mean())
        spread += (_spread(one) + _spread(other)) / 2
    return count if difference < spread else 1


def _spread(
    square: NDArray[np.float32],  # (S, S, C)
) -> float:
    """Return the mean difference of pixels from the mean of their row, which a horizon leaves."""
    return float(np.abs(square - square.mean(1, keepdims=True)).mean())
