"""Timestamps of decoded frames: from zero, and strictly increasing."""

from collections.abc import Sequence
from fractions import Fraction

from av.container import InputContainer
from av.format import Flags
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame as AvFrame

from cpabmm_core.media.video.decoding import PacketTally

_LONGEST_JUMP_BACK = 8
"""Frames. A larger jump back in time is a restarted clock, as in joined recordings; a smaller one
is imprecision, or a wrong order."""
_LONGEST_JUMP_AHEAD = 10
"""Seconds, for MPEG streams, whose clock may also continue anywhere. In other files a frame may
last as long as it likes."""
_SHORTEST_LEAD = Fraction(1, 10)
"""Seconds. Sound that starts less than this before the frames only primes its decoder."""
_LONGEST_PRIMING = Fraction(1, 2)
"""Seconds. So does sound that starts less than this before zero, where MP4 stores priming."""


def clock_start(container: InputContainer) -> Fraction:
    """Return the seconds to subtract from all timestamps of a file, those of sound included.

    It is the time at which the frames start, or the sound if that starts at least 0.1 s earlier. So
    a recording that was cut out of a longer one does not begin with an hour of nothing, and the
    distance between frames and sound is kept, as in players.
    """
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    frames, sound = _start(streams), _start(container.streams.audio[:1])
    if frames is None or sound is None:
        return frames or Fraction(0)
    is_priming = -_LONGEST_PRIMING < sound < 0 or frames - sound < _SHORTEST_LEAD
    return frames if is_priming else sound


def _start(streams: Sequence[Stream]) -> Fraction | None:
    """Return the time in seconds at which the first of the streams starts, if any states it."""
    times = [
        s.start_time * s.time_base for s in streams if s.start_time is not None and s.time_base
    ]
    return min(times, default=None)


class TimestampClock:
    """Strictly increasing presentation times; those of the file wherever it states usable ones.

    Zero is `clock_start`. A frame whose time is missing, or is not after that
    of the frame before it, follows after one interval. A clock that restarts, as in joined
    recordings, continues after one interval as well: players show the second recording after the
    first.

    Args:
        container: the open file. No frame has been read yet.
        time_base: seconds per unit of its timestamps.
        interval: units between two frames at the nominal rate.
        tally: what the packets of the frames state; `decode` fills it.
    """

    def __init__(
        self, container: InputContainer, time_base: Fraction, interval: int, tally: PacketTally
    ) -> None:
        self._interval = max(1, interval)
        self._longest_jump_back = _LONGEST_JUMP_BACK * self._interval
        self._longest_jump_ahead: int | None = None
        if Flags(container.format.flags) & Flags.ts_discont:
            self._longest_jump_ahead = round(_LONGEST_JUMP_AHEAD / time_base)
        self._start: int | None = None
        if container.streams.audio:
            self._start = round(clock_start(container) / time_base)
        # AVI stores only the decoding order, which is regular but starts late by a delay.
        self._by_decoding = container.format.name == "avi"
        self._delay = 0
        self._tally = tally
        self._latest = 0
        self._last: int | None = None

    def read(self, frame: AvFrame) -> int:
        """Return the presentation time of the next frame."""
        if self._last is None:
            self._by_decoding = self._by_decoding or frame.pts is None
        time = frame.dts if self._by_decoding else frame.pts
        if self._last is None:
            self._last = self._read_first(time or 0)
        elif time is None:
            self._last += self._interval
        else:
            self._last = self._follow(time - self._delay)
        return self._last

    def end(self) -> int:
        """Return the end of the packets so far, at least that of the last frame."""
        end = self._tally.decoding_end if self._by_decoding else self._tally.end
        return max(self._last or 0, (end or 0) - (self._start or 0))

    def _read_first(self, time: int) -> int:
        if self._by_decoding:
            self._delay = max(0, time - (self._tally.decoding_start or 0))
        self._latest = time - self._delay
        if self._start is None:
            self._start = self._latest
        return max(0, self._latest - self._start)

    def _follow(self, time: int) -> int:
        assert self._last is not None
        assert self._start is not None
        advances = time > self._latest
        if self._restarts(time - self._latest):
            self._start = time - self._last - self._interval
            self._tally.end = self._tally.decoding_end = None
        self._latest = time
        if time - self._start > self._last:
            return time - self._start
        # A clock that goes on after a repeated time is caught up with, half an interval a frame.
        return self._last + (max(1, self._interval // 2) if advances else self._interval)

    def _restarts(self, jump: int) -> bool:
        ahead = self._longest_jump_ahead
        return jump < -self._longest_jump_back or (ahead is not None and jump > ahead)
