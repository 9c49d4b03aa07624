"""Conversion of timestamps to those that a file stores."""

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


class GifTimes(OutputTimes):
    """Timestamps of a GIF: hundredths of a second from the first frame, because it stores delays.

    Args:
        time_base: seconds per unit of the timestamps.
    """

    # Players replace any shorter delay by 0.1 s.
    _SHORTEST = 2

    def __init__(self, time_base: Fraction) -> None:
        super().__init__(Fraction(1, 100))
        self._given_time_base = time_base
        self._first = self._stored = 0

    def place(self, pts: int) -> int:
        """Return the stored value of the next timestamp."""
        if self.last is None:
            self._first = pts
        else:
            self._stored = max(self.convert(pts - self._first), self._stored + self._SHORTEST)
        self.last = pts
        return self._stored

    def convert(self, duration: int) -> int:
        """Return a duration in stored units."""
        return round(duration * self._given_time_base / self.time_base)
