"""Numbered frames with scene boundaries, and the reduction of frames for analysis."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class SceneFrame(NamedTuple):
    """A frame of a video, and whether it is the first of a scene."""

    number: int
    image: NDArray[np.uint8]  # (H, W, 3) RGB
    begins_scene: bool


def shrink(
    image: NDArray[np.uint8],  # (H, W, 3)
    factor: float,
) -> NDArray[np.uint8]:  # (h, w, 3)
    """Shrink an image with antialiasing; return it unchanged if the factor is 1 or more."""
    if factor >= 1:
        return image
    height, width = image.shape[:2]
    size = max(1, round(factor * width)), max(1, round(factor * height))
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.BOX))


def to_small_grey(
    image: NDArray[np.uint8],  # (H, W, 3)
    longer_side: int,
) -> NDArray[np.uint8]:  # (h, w)
    """Convert an image to grey levels and shrink its longer side to at most `longer_side`."""
    small = shrink(image, longer_side / max(image.shape[:2]))
    return np.array(Image.fromarray(small).convert("L"))
