"""A cache of decoded frames that evicts the least recently used."""

from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class CachedFrame(NamedTuple):
    """A decoded frame, resized to the training size."""

    image: npt.NDArray[np.uint8]  # (S, S, 3) RGB
    stored: tuple[int, ...]
    """The shape of the frame before it was resized."""


class FrameCache:
    """A least-recently-used cache of frames.

    Args:
        limit: largest total size of the cached frames in bytes; 0 disables the cache.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._frames: OrderedDict[tuple[int, int], CachedFrame] = OrderedDict()
        self.bytes = 0
        """The total size of the cached frames, in bytes."""

    def get(self, clip: int, index: int) -> CachedFrame | None:
        """Return frame `index` of a clip, or None if it is not cached."""
        frame = self._frames.get((clip, index))
        if frame is not None:
            self._frames.move_to_end((clip, index))
        return frame

    def has_room(self, size: int) -> bool:
        """Return whether so many bytes fit in without an eviction."""
        return self.bytes + size <= self._limit

    def put(self, clip: int, index: int, frame: CachedFrame) -> None:
        """Cache a frame, unless it is cached already or alone exceeds the limit."""
        if (clip, index) in self._frames or frame.image.nbytes > self._limit:
            return
        self._frames[clip, index] = frame
        self.bytes += frame.image.nbytes
        while self.bytes > self._limit:
            _, oldest = self._frames.popitem(last=False)
            self.bytes -= oldest.image.nbytes
