"""Timestamps of decoded frames, brought to what the rest of the package relies on."""

from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.format import Flags
from av.video.frame import VideoFrame as AvFrame

from cpabmm_core.media.video.decoding import damaged

_SMALLEST_JUMP = 1
"""Seconds back in time that sloppy timestamps do not explain; joined recordings have them."""


def clock_start(container: InputContainer) -> Fraction:
    """Seconds to take off all timestamps of a file: MPEG streams count from any moment."""
    if Flags(container.format.flags) & Flags.ts_discont and container.start_time:
        return Fraction(container.start_time, av.time_base)
    return Fraction(0)


class Clock:
    """Strictly increasing times of showing, the file's own wherever it has any."""

    def __init__(
        self, container: InputContainer, time_base: Fraction, interval: int, path: Path
    ) -> None:
        """Start before the first frame.

        Args:
            container: the open file.
            time_base: seconds per unit of its timestamps.
            interval: units between two frames at the nominal rate, for files without timestamps.
            path: its name, for errors.
        """
        self._path = path
        self._time_base = time_base
        self._interval = interval
        self._start = round(clock_start(container) / time_base)
        # AVI only stores the order of decoding, which is regular, but starts late by the delay.
        self._by_decoding = container.format.name == "avi"
        self._last: int | None = None
        self._count = 0

    def read(self, frame: AvFrame) -> int:
        """When the next frame is shown.

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
        if (self._last - time) * self._time_base > _SMALLEST_JUMP:
            raise damaged(self._path, self._count, "its clock starts anew")
        return max(time, self._last + 1)
