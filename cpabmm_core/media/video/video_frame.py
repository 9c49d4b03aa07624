"""A frame of a video."""

from dataclasses import dataclass

from cpabmm_core.arrays import Frame


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """A frame of a video with its presentation time.

    Example:
        >>> import numpy as np
        >>> frame = VideoFrame(np.zeros((4, 6, 3), dtype=np.uint8), pts=40, duration=20)
        >>> frame.image.shape, frame.pts + frame.duration
        ((4, 6, 3), 60)
    """

    image: Frame
    """(H, W, 3) uint8 RGB."""
    pts: int
    """Presentation time in units of the reader's time base."""
    duration: int
    """Time until the next frame, in the same units. For the last one it is the duration that the
    file states, 0 if it states none."""
