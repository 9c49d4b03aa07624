"""The frames of a video that comes through a pipe, in one pass and without storing it."""

from collections.abc import Generator
from contextlib import ExitStack
from fractions import Fraction
from threading import Lock
from types import TracebackType
from typing import Self

from cpabmm_core.errors import InputLost, MediaError
from cpabmm_core.media.piped.byte_pipe import BytePipe
from cpabmm_core.media.piped.structure_check import StructureCheck
from cpabmm_core.media.video.decoding import TruncatedVideo
from cpabmm_core.media.video.library_calls import UnnamedError
from cpabmm_core.media.video.opening import open_content
from cpabmm_core.media.video.stream_reading import StreamReading
from cpabmm_core.media.video.structure import structure_walk
from cpabmm_core.media.video.unnamed_file import UnnamedStream
from cpabmm_core.media.video.video_frame import VideoFrame

_ANALYSED = Fraction(1)
"""Seconds that FFmpeg may analyse first. It takes 5 for files, but a live video should not wait."""
_LONGEST_REST = 64 * 2**20
"""Bytes that are read after the last frame, so that the writer of the pipe does not fail."""
_CHUNK = 65536
_HEAD = 12


class PipedFrames:
    """A video from a pipe; iterable once, with the rules and attributes of a `VideoReader`.

    Construction waits for the first frame. Later frames are read as they come.

    Args:
        pipe: the pipe, which this object closes.
        alpha: whether to keep the transparency of a format that has some.
        demuxer: FFmpeg's name of the format, if it is known already.

    Raises:
        MediaError: the content is no video, or its first frame is damaged.
    """

    path = None
    is_live = False

    def __init__(self, pipe: BytePipe, *, alpha: bool = False, demuxer: str | None = None) -> None:
        self._pipe = pipe
        walk = structure_walk(bytes(pipe.peek(_HEAD)[:_HEAD]), is_pipe=True)
        self._check = StructureCheck(walk) if walk else None
        self._is_read = self._is_closed = False
        self._lock = Lock()
        with ExitStack() as stack:
            stack.enter_context(pipe)
            content = UnnamedStream(self._read)
            try:
                container = stack.enter_context(
                    open_content(content, analysed=_ANALYSED, demuxer=demuxer)
                )
                content.end_opening()
                self._reading = StreamReading(container, pipe.name, None, alpha=alpha)
                self._first, self._shape = self._reading.read_first()
            except (UnnamedError, MediaError) as error:
                pipe.raise_interrupt()
                raise self._named(error) from error
            self.height, self.width = self._shape.to_rgb(self._first).shape[:2]
            self._closing = stack.pop_all()
        self.frame_rate = self._reading.timing.frame_rate
        self.time_base = self._reading.timing.time_base
        self.has_audio = self._reading.has_audio

    def __enter__(self) -> Self:
        """Return the frames."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop reading, even if the iteration was not finished or another thread waits in it."""
        self._pipe.stop()
        with self._lock:  # FFmpeg must not lose its container while it reads
            self._is_closed = True
            self._closing.close()

    def stop(self) -> None:
        """End the video after the frames that have come; any thread may call this."""
        self._pipe.stop()

    def __iter__(self) -> Generator[VideoFrame]:
        """Iterate over all frames.

        Raises:
            InputLost: the pipe ended too early, or its content is damaged. All frames before come
                first.
            MediaError: this is the second iteration.
        """
        if self._is_read:
            raise MediaError(
                f"{self._pipe.name}: can be read only once", "give a file to read it again"
            )
        self._is_read = True
        return self._frames()

    def _frames(self) -> Generator[VideoFrame]:
        frames = self._reading.frames(self._shape, self._first, self._check_end)
        count = 0
        while (frame := self._next(frames, count)) is not None:
            count += 1
            yield frame

    def _next(self, frames: Generator[VideoFrame], count: int) -> VideoFrame | None:
        """Return the next frame, or None at the end and after `stop`."""
        with self._lock:
            if self._is_closed:
                return None
            try:
                frame = next(frames, None)
            except (UnnamedError, MediaError) as error:
                if not self._pipe.is_stopped:
                    raise self._lost(error, count) from error
                frame = None
        self._pipe.raise_interrupt()
        return frame

    def _read(self, size: int) -> bytes:
        """Return the next bytes for FFmpeg; none after damage, over which it would pass."""
        if self._check is None:
            return self._pipe.read(size)
        return b"" if self._check.is_damaged else self._check.feed(self._pipe.read(size))

    def _check_end(self) -> None:
        """Read what follows the last frame, and check that nothing is missing."""
        rest = 0
        while rest < _LONGEST_REST and (data := self._read(_CHUNK)):
            rest += len(data)
        if self._pipe.is_stopped or self._check is None or rest >= _LONGEST_REST:
            return
        if not self._check.is_complete():
            if self._check.is_damaged:
                raise MediaError(f"{self._pipe.name}: is damaged")
            raise TruncatedVideo(f"{self._pipe.name}: ends too early")

    def _lost(self, error: UnnamedError | MediaError, count: int) -> InputLost:
        """Return the error for a video that goes on no further after some frames."""
        is_damaged = self._check is not None and self._check.is_damaged
        is_cut = isinstance(error, TruncatedVideo)
        if self._check is not None and self._pipe.has_ended and not is_damaged:
            is_cut = is_cut or not self._check.is_complete()
        if is_cut or is_damaged:
            what = "is damaged" if is_damaged else "ends too early"
            frames = "1 frame" if count == 1 else f"{count} frames"
            trouble = f"{self._pipe.name}: {what}, after {frames}"
        else:
            trouble = self._named(error).trouble
        return InputLost(trouble, "check the program that writes it")

    def _named(self, error: UnnamedError | MediaError) -> MediaError:
        if isinstance(error, MediaError):
            return error
        return MediaError(f"{self._pipe.name}: {error.trouble}", error.cure)
