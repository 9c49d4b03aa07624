"""Reading the source image."""

from pathlib import Path

from cpabmm_core.arrays import Frame
from cpabmm_core.media.video.reader import VideoReader


def read_source(path: str | Path) -> Frame:
    """Read the source image to animate: an image, or the first frame of a video or animation.

    Args:
        path: the file; its content decides what it is, not its suffix.

    Returns:
        (H, W, 3) uint8 RGB in [0, 255].

    Raises:
        MediaError: the file is missing, unreadable, or neither an image nor a video.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from cpabmm_core.media import write_image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_image(f"{folder}/face.png", np.zeros((4, 4, 3), dtype=np.uint8))
        ...     read_source(f"{folder}/face.png").shape
        (4, 4, 3)
    """
    with VideoReader(path) as reader:
        return next(iter(reader)).image
