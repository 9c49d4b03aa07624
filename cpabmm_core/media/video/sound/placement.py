"""Conversion of the timestamps of a stream to those of an output."""

from fractions import Fraction


class Placement:
    """Converts timestamps with whole numbers only, because fractions would take longer than muxing.

    Args:
        unit: seconds per unit of the timestamps of the stream.
        base: seconds per unit of the timestamps of the output.
    """

    def __init__(self, unit: Fraction, base: Fraction) -> None:
        self.base = base
        """Seconds per unit of the timestamps of the output."""
        self._scale = unit / base
        self._offset: Fraction | None = None
        self._factor, self._constant, self._divisor = self._scale.numerator, 0, 1

    def shift(self, offset: Fraction) -> None:
        """Set the seconds to add to all timestamps."""
        if offset == self._offset:
            return
        self._offset = offset
        scale, constant = self._scale, offset / self.base
        self._divisor = scale.denominator * constant.denominator
        self._factor = scale.numerator * constant.denominator
        self._constant = constant.numerator * scale.denominator

    def convert(self, time: int) -> int:
        """Return a shifted timestamp in units of the output.

        Example:
            >>> milliseconds_to_seconds = Placement(Fraction(1, 1000), Fraction(1))
            >>> milliseconds_to_seconds.shift(Fraction(-3))
            >>> milliseconds_to_seconds.convert(4600)
            2
        """
        return (2 * (time * self._factor + self._constant) + self._divisor) // (2 * self._divisor)

    def length(self, duration: int) -> int:
        """Return a duration in units of the output."""
        numerator, denominator = self._scale.numerator, self._scale.denominator
        return (2 * duration * numerator + denominator) // (2 * denominator)
