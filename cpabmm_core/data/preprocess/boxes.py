"""Arithmetic of boxes, and what they cut out of a frame.

Convention:
    Edges of pixels, x to the right and y downwards: the whole frame is (0, 0, W, H).
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class Box(NamedTuple):
    """A rectangle in pixels; it may leave the frame."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """From left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From top to bottom."""
        return self.bottom - self.top

    @property
    def longer_side(self) -> float:
        """Width or height."""
        return max(self.width, self.height)


def enclose(boxes: Iterable[Box]) -> Box:
    """The smallest box around one or more others."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return Box(min(lefts), min(tops), max(rights), max(bottoms))


def intersection_area(one: Box, other: Box) -> float:
    """Area that two boxes share."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    return max(width, 0.0) * max(height, 0.0)


def iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes; 0 where both are empty."""
    shared = intersection_area(one, other)
    total = one.width * one.height + other.width * other.height - shared
    return shared / total if total > 0 else 0.0


def make_square(box: Box) -> Box:
    """The box made square by growing its shorter side about its centre."""
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    half = box.longer_side / 2
    return Box(x - half, y - half, x + half, y + half)


def expand(box: Box, margin: float) -> Box:
    """The box with each side moved outwards by `margin` times its width or height."""
    x, y = margin * box.width, margin * box.height
    return Box(box.left - x, box.top - y, box.right + x, box.bottom + y)


def scale(box: Box, factor: float) -> Box:
    """The same box in a frame `factor` times as large."""
    return Box(*(factor * edge for edge in box))


def round_to_pixels(box: Box) -> Box:
    """The box with its corner and its sides rounded, so that a square one stays square."""
    left, top = round(box.left), round(box.top)
    return Box(left, top, left + round(box.width), top + round(box.height))


def is_within(box: Box, width: int, height: int) -> bool:
    """Whether a box is inside a frame."""
    return box.left >= 0 and box.top >= 0 and box.right <= width and box.bottom <= height


def clip_to_frame(box: Box, width: int, height: int) -> Box:
    """The part of a box that lies in a frame."""
    return Box(max(box.left, 0), max(box.top, 0), min(box.right, width), min(box.bottom, height))


def move_into_frame(box: Box, width: int, height: int) -> Box:
    """A box no larger than the frame, moved into it by the shortest way."""
    left = min(max(box.left, 0), width - box.width)
    top = min(max(box.top, 0), height - box.height)
    return Box(left, top, left + box.width, top + box.height)


def central_square(width: int, height: int) -> Box:
    """The largest centred square of a frame, as `media.framing` takes it."""
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return Box(left, top, left + side, top + side)


def crop_and_resize(
    image: NDArray[np.uint8],  # (H, W, 3)
    box: Box,
    size: int,
) -> NDArray[np.uint8]:  # (size, size, 3), a copy
    """What a frame shows in a box, resized bicubically with antialiasing (Pillow) to a square.

    Args:
        image: the frame.
        box: in whole pixels. What lies outside the frame is left out, as if the box ended there; a
            box that is not square is squeezed.
        size: side of the result, in pixels.
    """
    left, top, right, bottom = map(int, clip_to_frame(box, image.shape[1], image.shape[0]))
    part = image[top:bottom, left:right]
    if part.shape[:2] == (size, size):
        return part.copy()  # it may be a window into a larger buffer of a decoder's
    return np.array(Image.fromarray(part).resize((size, size), Image.Resampling.BICUBIC))
