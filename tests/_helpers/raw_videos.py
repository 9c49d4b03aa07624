"""Synthetic raw videos: a bright square that moves over a textured background."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.media.video import VideoWriter

Corner = tuple[int, int]


def ground(seed: int = 0, width: int = 192, height: int = 108) -> NDArray[np.uint8]:
    """Return a background of dark grey blocks of 4 pixels, (H, W, 3)."""
    small = np.random.default_rng(seed).integers(20, 120, (height // 4 + 1, width // 4 + 1))
    grey = np.kron(small, np.ones((4, 4), dtype=int))[:height, :width]
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def with_square(
    image: NDArray[np.uint8],  # (H, W, 3)
    corner: Corner,
    side: int,
) -> NDArray[np.uint8]:  # (H, W, 3), a copy
    """Return the image with a bright square whose top left corner is (x, y)."""
    x, y = corner
    result = image.copy()
    result[y : y + side, x : x + side] = (250, 240, 230)
    return result


def wandering(corners: Sequence[Corner], side: int = 24, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Return frames with the square at the given corners."""
    background = ground(seed)
    return [with_square(background, corner, side) for corner in corners]


def across(count: int, first: Corner = (40, 40), last: Corner = (90, 50)) -> list[Corner]:
    """Interpolate evenly between two corners."""
    steps = np.linspace(first, last, count).round().astype(int)
    return [(int(x), int(y)) for x, y in steps]


def write_frames(path: Path, images: Iterable[NDArray[np.uint8]], rate: int = 25) -> Path:
    """Write frames as a near-lossless video."""
    frames = list(images)
    height, width = frames[0].shape[:2]
    with VideoWriter(path, width, height, rate, Fraction(1, rate), crf=8) as writer:
        for pts, image in enumerate(frames):
            writer.write(image, pts)
    return path
