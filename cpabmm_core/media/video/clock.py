"""Timestamps of decoded frames, made strictly increasing."""

from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.format import Flags
from av.video.frame import VideoFrame as AvFrame

from cpabmm_core.media.video.decoding import decoding_error

_SMALLEST_RESTART = 1
"""Seconds. A larger jump back in time is a restarted clock, as in joined recordings; a smaller one
is imprecision."""


def clock_start(container: InputContainer) -> Fraction:
    """Return the seconds to subtract from all timestamps of a file.

    The clock of an MPEG stream starts at an arbitrary time; that of other formats at zero.
    """
    if Flags(container.format.flags) & Flags.ts_discont and container.start_time:
        return Fraction(container.start_time, av.time_base)
    return Fraction(0)


class TimestampClock:
    """Strictly increasing presentation times; those of the file wherever it states them.

    Args:
        container: the open file. No frame has been read yet.
        time_base: seconds per unit of its timestamps.
        interval: units between two frames at the nominal rate, for files without timestamps.
        path: the name of the file, for errors.
    """

    def __init__(
        self, container: InputContainer, time_base: Fraction, interval: int, path: Path
    ) -> None:
        self._path = path
        self._time_base = time_base
        self._interval = interval
        self._start = round(clock_start(container) / time_base)
        # AVI stores only the decoding order, which is regular but starts late by the delay.
        self._by_decoding = container.format.name == "avi"
        self._last: int | None = None
        self._count = 0

    def read(self, frame: AvFrame) -> int:
        """Return the presentation time of the next frame.

        Raises:
            MediaError: the time jumps back by more than a second.
        """
        time = frame.dts if self._by_decoding else frame.pts
        if self._by_decoding and self._last is None:
            self._start = time or 0
        if time is not None:
            time -= self._start
        self._last = self._after_last(time)
        self._count += 1
        return self._last

    def _after_last(self, time: int | None) -> int:
        if self._last is None:
            return time or 0
        if time is None:
            return self._last + max(1, self._interval)
        if (self._last - time) * self._time_base > _SMALLEST_RESTART:
            raise decoding_error(self._path, self._count, "its clock restarts")
        return max(time, self._last + 1)
