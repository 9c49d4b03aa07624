"""The frames of a video stream that FFmpeg decodes, in order."""

from collections.abc import Generator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from av.container import InputContainer
from av.video.stream import VideoStream

from cpabmm_core.errors import MediaError
from cpabmm_core.media.video.clock import TimestampClock
from cpabmm_core.media.video.decoding import PacketTally, decode
from cpabmm_core.media.video.empty_packets import count_empty_packets
from cpabmm_core.media.video.frame_shape import FrameShape
from cpabmm_core.media.video.library_calls import library_calls
from cpabmm_core.media.video.opening import open_input, video_stream
from cpabmm_core.media.video.video_frame import VideoFrame

_FALLBACK_RATE = Fraction(25)
_SLOWEST, _FASTEST = Fraction(1, 1000), Fraction(10_000)
"""Frames per second. Anything else is a mistake of the program that wrote the file."""


class StreamFrames:
    """The video stream of a file; opened for its properties, and again by each iteration.

    Args:
        path: the file.

    Raises:
        MediaError: the file is missing, unreadable, no video, or contains no frame; or its frames
            are too large.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with open_input(path) as container:
            stream = video_stream(container, path)
            first = next(decode(container, stream, path), None)
            if first is None:
                raise MediaError(f"{path}: contains no frame; give a video with at least one")
            self._shape = FrameShape.of(stream, first, path)
            self.height, self.width = self._shape.to_rgb(first).shape[:2]
            with library_calls():
                self.frame_rate = _usable_rate(stream)
                self._has_clock = _has_clock(container, stream, self.frame_rate)
                self.time_base = (self._has_clock and stream.time_base) or 1 / self.frame_rate
                self.has_audio = bool(container.streams.audio)

    def __iter__(self) -> Generator[VideoFrame]:
        """Iterate over all frames from the first one; each lasts until the next one."""
        with open_input(self.path) as container:
            stream = video_stream(container, self.path)
            tally = PacketTally()
            with library_calls():
                clock = TimestampClock(container, self.time_base, self._interval, tally)
            last: VideoFrame | None = None
            try:
                for decoded in decode(container, stream, self.path, tally=tally):
                    pts = clock.read(decoded)
                    if last:
                        yield replace(last, duration=pts - last.pts)
                    duration = (decoded.duration or 0) if self._has_clock else self._interval
                    last = VideoFrame(self._shape.to_rgb(decoded), pts, duration)
                self._reach_end(stream, tally)
            except MediaError:
                if last:
                    yield last
                raise
            if last:
                yield replace(last, duration=max(last.duration, clock.end() - last.pts))

    @property
    def _interval(self) -> int:
        return max(1, round(1 / (self.frame_rate * self.time_base)))

    def _reach_end(self, stream: VideoStream, tally: PacketTally) -> None:
        """Include empty packets at the end, or raise an error if packets are missing.

        FFmpeg ends a truncated MP4 without an error. Both the number of packets and the time must
        be short by more than one frame of what the header announces, because complete files may
        lack either of them (edit lists, a long last frame).
        """
        if not stream.frames or not stream.duration or tally.end is None:
            return
        end = (stream.start_time or 0) + stream.duration
        missing = stream.frames - tally.count
        if missing < 1 or end - tally.end < 0.5 * self._interval:
            return
        with library_calls():
            empty = count_empty_packets(stream, self.path)
        if missing - empty.total > 1 and end - tally.end > 1.5 * self._interval:
            raise MediaError(
                f"{self.path}: ends after {tally.count} of {stream.frames} frames; "
                "the file is truncated: fetch it again"
            )
        tally.extend(empty.last * self._interval)


def _usable_rate(stream: VideoStream) -> Fraction:
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and _SLOWEST <= rate <= _FASTEST:
            return rate
    return _FALLBACK_RATE


def _has_clock(container: InputContainer, stream: VideoStream, rate: Fraction) -> bool:
    """Return whether the unit of the timestamps is known. AVI only counts frames."""
    is_avi = container.format.name == "avi"
    return bool(stream.time_base) and (not is_avi or stream.average_rate == rate)
