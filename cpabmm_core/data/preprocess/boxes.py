"""Geometry of boxes, and cropping frames to them.

Coordinates are in pixels and refer to pixel edges, with x pointing right and y pointing down. The
whole frame is (0, 0, W, H).
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class Box(NamedTuple):
    """A rectangle in pixels, which may extend beyond the frame.

    Example:
        >>> from cpabmm_core.data.preprocess import Box
        >>> Box(left=10, top=20, right=50, bottom=40).width
        40
    """

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """The extent along x."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """The extent along y."""
        return self.bottom - self.top

    @property
    def longer_side(self) -> float:
        """The larger of width and height."""
        return max(self.width, self.height)


def enclose(boxes: Iterable[Box]) -> Box:
    """Return the smallest box that contains one or more others."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return Box(min(lefts), min(tops), max(rights), max(bottoms))


def intersection_area(one: Box, other: Box) -> float:
    """Return the area of the intersection of two boxes."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    return max(width, 0.0) * max(height, 0.0)


def iou(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes, or 0 if both are empty."""
    shared = intersection_area(one, other)
    total = one.width * one.height + other.width * other.height - shared
    return shared / total if total > 0 else 0.0


def make_square(box: Box) -> Box:
    """Extend the shorter side of a box about its centre to make it square."""
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    half = box.longer_side / 2
    return Box(x - half, y - half, x + half, y + half)


def expand(box: Box, margin: float) -> Box:
    """Move each side of a box outwards by `margin` times its width or height."""
    x, y = margin * box.width, margin * box.height
    return Box(box.left - x, box.top - y, box.right + x, box.bottom + y)


def scale(box: Box, factor: float) -> Box:
    """Return the corresponding box in a frame `factor` times as large."""
    return Box(*(factor * edge for edge in box))


def round_to_pixels(box: Box) -> Box:
    """Round the top left corner and the size of a box, so that a square stays square."""
    left, top = round(box.left), round(box.top)
    return Box(left, top, left + round(box.width), top + round(box.height))


def is_within(box: Box, width: int, height: int) -> bool:
    """Return whether a box lies within a frame."""
    return box.left >= 0 and box.top >= 0 and box.right <= width and box.bottom <= height


def clip_to_frame(box: Box, width: int, height: int) -> Box:
    """Return the part of a box within a frame."""
    return Box(max(box.left, 0), max(box.top, 0), min(box.right, width), min(box.bottom, height))


def move_into_frame(box: Box, width: int, height: int) -> Box:
    """Move a box, which is no larger than the frame, into it by the shortest distance."""
    left = min(max(box.left, 0), width - box.width)
    top = min(max(box.top, 0), height - box.height)
    return Box(left, top, left + box.width, top + box.height)


def central_square(width: int, height: int) -> Box:
    """Return the largest centred square of a frame, as `media.framing` defines it."""
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return Box(left, top, left + side, top + side)


def crop_and_resize(
    image: NDArray[np.uint8],  # (H, W, 3)
    box: Box,
    size: int,
) -> NDArray[np.uint8]:  # (size, size, 3), a copy
    """Crop a frame to a box and resize it to a square, bicubically with antialiasing (Pillow).

    Args:
        image: the frame.
        box: box in whole pixels, which is clipped to the frame. A box that is not square is
            distorted.
        size: side of the result, in pixels.

    Returns:
        A copy, (size, size, 3).
    """
    left, top, right, bottom = map(int, clip_to_frame(box, image.shape[1], image.shape[0]))
    part = image[top:bottom, left:right]
    if part.shape[:2] == (size, size):
        return part.copy()  # it may be a view of a larger buffer of the decoder
    return np.array(Image.fromarray(part).resize((size, size), Image.Resampling.BICUBIC))
