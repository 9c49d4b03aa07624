"""Decoded frames that stay in memory, those used longest ago making room."""

from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class CachedFrame(NamedTuple):
    """A decoded frame, brought to the training size."""

    image: npt.NDArray[np.uint8]  # (S, S, 3) RGB
    stored: tuple[int, ...]
    """Shape before it was resized."""


class FrameCache:
    """Least-recently-used cache of frames.

    Args:
        limit: bytes that the pictures may take; 0 keeps none.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._frames: OrderedDict[tuple[int, int], CachedFrame] = OrderedDict()
        self.bytes = 0
        """Memory that the pictures take."""

    def get(self, clip: int, index: int) -> CachedFrame | None:
        """Frame `index` of a clip, if it is still there."""
        frame = self._frames.get((clip, index))
        if frame is not None:
            self._frames.move_to_end((clip, index))
        return frame

    def put(self, clip: int, index: int, frame: CachedFrame) -> None:
        """Keep a frame that is not there yet, if the limit allows any of its size."""
        if frame.image.nbytes > self._limit:
            return
        self._frames[clip, index] = frame
        self.bytes += frame.image.nbytes
        while self.bytes > self._limit:
            _, oldest = self._frames.popitem(last=False)
            self.bytes -= oldest.image.nbytes
