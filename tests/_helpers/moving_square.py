"""A simple video with motion."""

import numpy as np
from numpy.typing import NDArray


def moving_square(
    frames: int, *, height: int = 40, width: int = 50, left: int = 8, speed: int = 4
) -> list[NDArray[np.uint8]]:
    """Return frames of an orange square that moves right on blue, (height, width, 3) each."""
    video = []
    for frame in range(frames):
        image = np.full((height, width, 3), (40, 90, 160), dtype=np.uint8)
        x = left + speed * frame
        image[height // 4 : height // 4 + 15, x : x + 15] = (230, 120, 20)
        video.append(image)
    return video
