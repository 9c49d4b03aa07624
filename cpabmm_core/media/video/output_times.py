"""Conversion of timestamps to those that a file stores."""

import math
from fractions import Fraction


class OutputTimes:
    """Unchanged timestamps; if the first one is negative, all are shifted to start at zero.

    Args:
        time_base: seconds per unit of the timestamps.
    """

    def __init__(self, time_base: Fraction) -> None:
        self.time_base = time_base
        """Seconds per unit of the stored timestamps."""
        self.last: int | None = None
        """The last timestamp before the conversion; None before the first frame."""
        self.delay = Fraction(0)
        """The shift of all timestamps, in seconds."""

    def place(self, pts: int) -> int:
        """Return the stored value of the next timestamp."""
        if self.last is None:
            self.delay = -min(pts, 0) * self.time_base
        self.last = pts
        return pts + int(self.delay / self.time_base)

    def convert(self, duration: int) -> int:
        """Return a duration in stored units."""
        return duration


class DelayTimes(OutputTimes):
    """Timestamps of a format that stores delays: they count from the first frame.

    Args:
        time_base: seconds per unit of the timestamps.
        unit: seconds per unit of the stored timestamps.
        shortest: the shortest delay in seconds; players replace any shorter one by 0.1 s.
    """

    def __init__(self, time_base: Fraction, unit: Fraction, shortest: Fraction) -> None:
        super().__init__(unit)
        self._given_time_base = time_base
        self._shortest = math.ceil(shortest / unit)
        self._first = self._stored = 0

    def place(self, pts: int) -> int:
        """Return the stored value of the next timestamp."""
        if self.last is None:
            self._first = pts
        else:
            self._stored = max(self.convert(pts - self._first), self._stored + self._shortest)
        self.last = pts
        return self._stored

    def convert(self, duration: int) -> int:
        """Return a duration in stored units."""
        return round(duration * self._given_time_base / self.time_base)


_GIF_UNIT, _GIF_SHORTEST = Fraction(1, 100), Fraction(2, 100)
_WEBP_UNIT, _SHORTEST = Fraction(1, 1000), Fraction(11, 1000)


def output_times(name: str, time_base: Fraction) -> OutputTimes:
    """Return the timestamps of a format.

    Args:
        name: name of the format; GIF counts hundredths of a second, WebP milliseconds.
        time_base: seconds per unit of the timestamps that are given.
    """
    if name == "gif":
        return DelayTimes(time_base, _GIF_UNIT, _GIF_SHORTEST)
    if name == "webp":
        return DelayTimes(time_base, _WEBP_UNIT, _SHORTEST)
    if name == "apng":
        return DelayTimes(time_base, time_base, _SHORTEST)
    return OutputTimes(time_base)
