"""Repair of the timestamps of sound packets, similar to what the ``ffmpeg`` tool does."""

from __future__ import annotations  # `Packet` takes its parameter only in stubs

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction

from av.audio.stream import AudioStream
from av.packet import Packet

from cpabmm_core.media.video.sound.report import SoundProblem

_LARGE_STEP = 1
"""Seconds. A larger step needs the next packet to confirm it; otherwise it is a wrong timestamp."""
_LONGEST_OVERLAP = 1
"""Seconds of sound that may lie before the end of earlier sound. More is a restarted clock."""
_LONGEST_GAP = 3 * 3600
"""Seconds. MP4 stores a gap in 31 bits, which is 3.1 hours at 192 kHz."""
_LATEST_START = 1000 * 3600
"""Seconds. A later start is a meaningless number."""


def steady(packets: Iterable[Packet[AudioStream]]) -> Iterator[Packet[AudioStream]]:
    """Yield the packets that hold data, with timestamps that never go back.

    Missing timestamps and single wrong ones are replaced by the end of the previous packet. The
    presentation time of sound is also its decoding time.

    Args:
        packets: packets of one stream, in the order of the file.

    Raises:
        SoundProblem: the clock restarts, or steps too far to be true.
    """
    clock: _Clock | None = None
    for packet, following in _with_next(packet for packet in packets if packet.size):
        clock = clock or _Clock(packet.time_base)
        packet.pts = packet.dts = clock.place(_time(packet), packet.duration or 0, following)
        yield packet


def _time(packet: Packet[AudioStream]) -> int | None:
    return packet.dts if packet.pts is None else packet.pts


def _with_next(
    packets: Iterable[Packet[AudioStream]],
) -> Iterator[tuple[Packet[AudioStream], int | None]]:
    """Yield each packet and the timestamp of its successor, and only then any error."""
    waiting: Packet[AudioStream] | None = None
    source = iter(packets)
    while True:
        failure: Exception | None = None
        try:
            packet = next(source, None)
        except Exception as error:
            packet, failure = None, error
        if waiting is not None:
            yield waiting, None if packet is None else _time(packet)
        if failure is not None:
            raise failure
        if packet is None:
            return
        waiting = packet


class _Clock:
    """Places packets one after the other.

    Args:
        time_base: seconds per unit of the timestamps.
    """

    def __init__(self, time_base: Fraction) -> None:
        self._large_step = _units(_LARGE_STEP, time_base)
        self._longest_overlap = _units(_LONGEST_OVERLAP, time_base)
        self._longest_gap = _units(_LONGEST_GAP, time_base)
        self._latest_start = _units(_LATEST_START, time_base)
        self._last: int | None = None
        self._duration = 0
        self._overlap = 0

    def place(self, time: int | None, duration: int, following: int | None) -> int:
        """Return the time of the next packet.

        Args:
            time: its timestamp, if it has one.
            duration: its duration; 0 if unknown.
            following: the timestamp of the packet after it.
        """
        self._duration = duration or self._duration
        if self._last is None:
            time = self._first(time or 0, following)
            if abs(time) > self._latest_start:
                raise SoundProblem("its timestamps are meaningless")
        else:
            time = self._after(self._last, time, following)
        self._last = time
        return time

    def _first(self, time: int, following: int | None) -> int:
        """Return the first time; the next packet corrects a wrong one."""
        if following is None or abs(following - time) <= self._large_step:
            return time
        return following - self._duration

    def _after(self, last: int, time: int | None, following: int | None) -> int:
        expected = last + self._duration
        if time is None or self._is_stray(time, expected, following):
            return expected
        if time - expected > self._longest_gap:
            raise SoundProblem("its clock jumps by hours")
        if time > last:
            self._overlap = 0
            return time
        self._overlap += max(1, self._duration)
        if self._overlap > self._longest_overlap:
            raise SoundProblem("its clock restarts")
        return last

    def _is_stray(self, time: int, expected: int, following: int | None) -> bool:
        """Return whether the next packet continues from the expected time, not from this one."""
        if following is None or abs(time - expected) <= self._large_step:
            return False
        distance = abs(following - (time + self._duration))
        return abs(following - (expected + self._duration)) < distance


def _units(seconds: int, time_base: Fraction) -> int:
    """Return a limit in units of the timestamps: comparing fractions takes longer than muxing."""
    return math.floor(seconds / time_base)
