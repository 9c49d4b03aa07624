"""Resampling of frames with timestamps to a constant rate."""

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Generic, TypeVar

T = TypeVar("T")

_ROUNDING = Fraction(1, 200)
"""Seconds. Containers round timestamps by at most this much, which must not double or drop a frame
of a video that has the wanted rate already."""
_LARGEST_SHARE = Fraction(1, 4)
"""The rounding that is allowed for, at most, in intervals of the output."""


def constant_rate(
    frames: Iterable[tuple[T, int, int]], time_base: Fraction, fps: Fraction
) -> Iterator[tuple[T, int, int]]:
    """Select the frames that a video of a constant rate shows, and how often it shows each.

    Frame k of the output is shown at k / fps. It is the latest frame that has started by then, or
    starts within 5 ms and a quarter of an interval. Times are kept, so sound stays in sync: the
    output lasts as long as the input, to within one interval.

    Frames that are never shown are left out, so frames need not be made in vain if this is applied
    first. It can be applied again: an output frame has an exact place.

    Args:
        frames: anything with a timestamp, which increases, and a duration, in units of `time_base`.
            The duration matters only for the last one; if it is 0, that one is shown once.
        time_base: seconds per unit.
        fps: frames per second of the output.

    Yields:
        What is shown, the number of the first output frame that shows it, counted from time zero,
        and the number of output frames. In units of 1 / fps they are a timestamp and a duration.

    Example:
        >>> film = [("a", 0, 1), ("b", 1, 1), ("c", 2, 1), ("d", 3, 1)]
        >>> list(constant_rate(film, time_base=Fraction(1, 24), fps=Fraction(12)))
        [('a', 0, 1), ('c', 1, 1)]
        >>> list(constant_rate(film, time_base=Fraction(1, 24), fps=Fraction(48)))
        [('a', 0, 2), ('b', 2, 2), ('c', 4, 2), ('d', 6, 2)]
    """
    grid: RateGrid[T] = RateGrid(time_base, fps)
    for item, pts, duration in frames:
        yield from grid.add(item, pts, duration)
    yield from grid.finish()


class RateGrid(Generic[T]):
    """The same as `constant_rate`, for frames that arrive one by one.

    Args:
        time_base: seconds per unit of the timestamps.
        fps: frames per second of the output.
    """

    def __init__(self, time_base: Fraction, fps: Fraction) -> None:
        self._scale = time_base * fps
        self._early = min(_ROUNDING * fps, _LARGEST_SHARE)
        self._waiting: tuple[T, int] | None = None
        self._end = 0
        self._is_first = True

    def add(self, item: T, pts: int, duration: int) -> list[tuple[T, int, int]]:
        """Add a frame; return the frame before it if the output shows it."""
        start = self._number(pts)
        shown = self._until(start)
        self._waiting = (item, start)
        self._end = self._number(pts + duration) if duration else start + 1
        return shown

    def finish(self) -> list[tuple[T, int, int]]:
        """Return the last frame if the output shows it; an output is never empty."""
        if self._waiting is not None and self._is_first:
            self._end = max(self._end, self._waiting[1] + 1)
        shown = self._until(self._end)
        self._waiting = None
        return shown

    def _until(self, end: int) -> list[tuple[T, int, int]]:
        if self._waiting is None or end <= self._waiting[1]:
            return []
        item, start = self._waiting
        self._is_first = False
        return [(item, start, end - start)]

    def _number(self, pts: int) -> int:
        """Return the number of the first output frame by which a time has come."""
        return math.ceil(pts * self._scale - self._early)
