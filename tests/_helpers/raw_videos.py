"""Raw videos of which the truth is known: a bright square that wanders over a textured ground."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.media.video import VideoWriter

Corner = tuple[int, int]


def ground(seed: int = 0, width: int = 192, height: int = 108) -> NDArray[np.uint8]:
    """Grey blocks of 4 pixels, (H, W, 3), none of them bright."""
    small = np.random.default_rng(seed).integers(20, 120, (height // 4 + 1, width // 4 + 1))
    grey = np.kron(small, np.ones((4, 4), dtype=int))[:height, :width]
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def with_square(
    image: NDArray[np.uint8],  # (H, W, 3)
    corner: Corner,
    side: int,
) -> NDArray[np.uint8]:  # (H, W, 3), a copy
    """The image with a bright square whose left top corner is (x, y)."""
    x, y = corner
    drawn = image.copy()
    drawn[y : y + side, x : x + side] = (250, 240, 230)
    return drawn


def wandering(corners: Sequence[Corner], side: int = 24, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Frames with the square at these corners."""
    still = ground(seed)
    return [with_square(still, corner, side) for corner in corners]


def across(count: int, first: Corner = (40, 40), last: Corner = (90, 50)) -> list[Corner]:
    """Corners from one to another, evenly."""
    steps = np.linspace(first, last, count).round().astype(int)
    return [(int(x), int(y)) for x, y in steps]


def write_frames(path: Path, images: Iterable[NDArray[np.uint8]], rate: int = 25) -> Path:
    """Write frames as a video, near-lossless."""
    frames = list(images)
    height, width = frames[0].shape[:2]
    with VideoWriter(path, width, height, rate, Fraction(1, rate), crf=8) as writer:
        for pts, image in enumerate(frames):
            writer.write(image, pts)
    return path
