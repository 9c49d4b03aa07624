"""The picture to animate."""

from pathlib import Path

import numpy as np

from cpabmm_core.files.checks import require_file
from cpabmm_core.media.image import is_image, read_image
from cpabmm_core.media.video import VideoReader


def read_source(path: str | Path) -> np.ndarray:
    """Read the picture to animate: an image, or the first frame of a video or GIF.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        MediaError: the file is missing, unreadable, or neither image nor video.
    """
    path = Path(path)
    require_file(path)
    if is_image(path):
        return read_image(path)
    with VideoReader(path) as reader:
        return next(iter(reader)).image
