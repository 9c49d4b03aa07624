"""One pass over the video stream of an open file or pipe."""

from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

from av.container import InputContainer
from av.video.frame import VideoFrame as AvFrame

from cpabmm_core.errors import MediaError
from cpabmm_core.media.video.clock import TimestampClock
from cpabmm_core.media.video.decoding import PacketTally, TruncatedVideo, decode
from cpabmm_core.media.video.empty_packets import count_empty_packets
from cpabmm_core.media.video.frame_shape import FrameShape
from cpabmm_core.media.video.library_calls import library_calls
from cpabmm_core.media.video.opening import video_stream
from cpabmm_core.media.video.stream_timing import StreamTiming
from cpabmm_core.media.video.video_frame import VideoFrame


class StreamReading:
    """The frames of a video stream from the current position of its container, once.

    Args:
        container: the open file or pipe, of which nothing has been decoded yet.
        name: its name, for errors.
        path: the file; None for a pipe.
        alpha: whether to keep the transparency of a format that has some.

    Raises:
        MediaError: it contains no video.
    """

    def __init__(
        self, container: InputContainer, name: Path | str, path: Path | None, *, alpha: bool = False
    ) -> None:
        self._name, self._path, self._alpha = name, path, alpha
        self._stream = video_stream(container, name)
        self.timing = StreamTiming.of(container, self._stream)
        self._tally = PacketTally()
        timing = self.timing
        with library_calls():
            self._clock = TimestampClock(container, timing.time_base, timing.interval, self._tally)
            self.has_audio = bool(container.streams.audio)
        self._decoded = decode(container, self._stream, name, tally=self._tally)

    def read_first(self) -> tuple[AvFrame, FrameShape]:
        """Decode the first frame, which determines the shape of all.

        Raises:
            MediaError: there is no frame, or it is damaged or too large.
        """
        first = next(self._decoded, None)
        if first is None:
            raise MediaError(f"{self._name}: contains no frame; give a video with at least one")
        return first, FrameShape.of(self._stream, first, self._name)

    def frames(
        self,
        shape: FrameShape,
        first: AvFrame | None = None,
        check_end: Callable[[], None] = lambda: None,
    ) -> Generator[VideoFrame]:
        """Iterate over all frames; each lasts until the next one.

        Args:
            shape: the shape of the frames.
            first: the first frame, if it has been read already.
            check_end: called at the end; may raise a `MediaError` if something is missing.

        Raises:
            MediaError: a frame is damaged, or the end is missing. All frames before it come first.
        """
        last: VideoFrame | None = None
        try:
            for decoded in self._from(first):
                pts = self._clock.read(decoded)
                if last:
                    yield replace(last, duration=pts - last.pts)
                timing = self.timing
                duration = (decoded.duration or 0) if timing.has_clock else timing.interval
                last = VideoFrame(shape.to_rgb(decoded, alpha=self._alpha), pts, duration)
            check_end()
            self._reach_end()
        except MediaError:
            if last:
                yield last
            raise
        if last:
            yield replace(last, duration=max(last.duration, self._clock.end() - last.pts))

    def _from(self, first: AvFrame | None) -> Generator[AvFrame]:
        if first is not None:
            yield first
        yield from self._decoded

    def _reach_end(self) -> None:
        """Include empty packets at the end, or raise an error if packets are missing.

        FFmpeg ends a truncated MP4 without an error. Both the number of packets and the time must
        be short by more than one frame of what the header announces, because complete files may
        lack either of them (edit lists, a long last frame).
        """
        stream, tally, interval = self._stream, self._tally, self.timing.interval
        if not stream.frames or not stream.duration or tally.end is None:
            return
        end = (stream.start_time or 0) + stream.duration
        missing = stream.frames - tally.count
        if missing < 1 or end - tally.end < 0.5 * interval:
            return
        with library_calls():
            empty = count_empty_packets(stream, self._path)
        if missing - empty.total > 1 and end - tally.end > 1.5 * interval:
            raise TruncatedVideo(
                f"{self._name}: ends after {tally.count} of {stream.frames} frames",
                "the file is truncated: fetch it again",
            )
        tally.extend(empty.last * interval)
