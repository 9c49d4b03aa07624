"""What a video stream states about the times of its frames."""

from dataclasses import dataclass
from fractions import Fraction

from av.container import InputContainer
from av.video.stream import VideoStream

from cpabmm_core.media.video.library_calls import library_calls

_FALLBACK_RATE = Fraction(25)
_SLOWEST, _FASTEST = Fraction(1, 1000), Fraction(10_000)
"""Frames per second. Anything else is a mistake of the program that wrote the file."""


@dataclass(frozen=True, slots=True)
class StreamTiming:
    """The nominal rate of a stream and the unit of its timestamps."""

    frame_rate: Fraction
    """Nominal number of frames per second."""
    time_base: Fraction
    """Seconds per unit of the timestamps."""
    has_clock: bool
    """Whether the file states that unit."""

    @classmethod
    def of(cls, container: InputContainer, stream: VideoStream) -> "StreamTiming":
        """Return the timing of a stream of an open file."""
        with library_calls():
            rate = _usable_rate(stream)
            has_clock = _has_clock(container, stream, rate)
            return cls(rate, (has_clock and stream.time_base) or 1 / rate, has_clock)

    @property
    def interval(self) -> int:
        """Units between two frames at the nominal rate; at least 1."""
        return max(1, round(1 / (self.frame_rate * self.time_base)))


def _usable_rate(stream: VideoStream) -> Fraction:
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and _SLOWEST <= rate <= _FASTEST:
            return rate
    return _FALLBACK_RATE


def _has_clock(container: InputContainer, stream: VideoStream, rate: Fraction) -> bool:
    """Return whether the unit of the timestamps is known. AVI only counts frames."""
    is_avi = container.format.name == "avi"
    return bool(stream.time_base) and (not is_avi or stream.average_rate == rate)
