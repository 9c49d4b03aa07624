"""Where given timestamps come to lie in a file."""

from fractions import Fraction


class Times:
    """Timestamps as they are, all moved to start at zero if the first is below it."""

    def __init__(self, time_base: Fraction) -> None:
        self.time_base = time_base
        """Seconds per unit of the stored timestamps."""
        self.last: int | None = None
        """The last timestamp, as given."""
        self.delay = Fraction(0)
        """How much later than given everything is stored, in seconds."""

    def place(self, pts: int) -> int:
        """What to store for the next timestamp."""
        if self.last is None:
            self.delay = -min(pts, 0) * self.time_base
        self.last = pts
        return pts + int(self.delay / self.time_base)

    def convert(self, duration: int) -> int:
        """A duration in stored units."""
        return duration


class GifTimes(Times):
    """Timestamps in hundredths of a second from the first frame, for a GIF only stores delays."""

    # Players show any delay below this as 0.1 s.
    _SHORTEST = 2

    def __init__(self, time_base: Fraction) -> None:
        super().__init__(Fraction(1, 100))
        self._given_time_base = time_base
        self._first = self._stored = 0

    def place(self, pts: int) -> int:
        """What to store for the next timestamp."""
        if self.last is None:
            self._first = pts
        else:
            self._stored = max(self.convert(pts - self._first), self._stored + self._SHORTEST)
        self.last = pts
        return self._stored

    def convert(self, duration: int) -> int:
        """A duration in stored units."""
        return round(duration * self._given_time_base / self.time_base)
