"""Reading a video frame by frame, in constant memory, with exact timestamps."""

from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

from av.video.stream import VideoStream

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import MediaError
from cpabmm_core.media.video.clock import TimestampClock
from cpabmm_core.media.video.decoding import decode
from cpabmm_core.media.video.display import frame_to_rgb
from cpabmm_core.media.video.library_calls import library_calls
from cpabmm_core.media.video.opening import open_input, video_stream

_FALLBACK_RATE = Fraction(25)


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """A frame of a video with its presentation time.

    Example:
        >>> import numpy as np
        >>> frame = VideoFrame(np.zeros((4, 6, 3), dtype=np.uint8), pts=40, duration=20)
        >>> frame.image.shape, frame.pts + frame.duration
        ((4, 6, 3), 60)
    """

    image: Frame
    """(H, W, 3) uint8 RGB."""
    pts: int
    """Presentation time in units of the reader's time base."""
    duration: int
    """Duration in the same units; 0 if the file does not state it."""


class VideoReader:
    """A video, GIF or still image as a sequence of frames, which can be iterated several times.

    Timestamps are those of the file, strictly increasing; variable frame rates and late starts are
    preserved. Rotation metadata is applied. A frame of another size than the first one is resized
    to it. A container that announces one frame more than it contains is accepted; damage and a
    missing end raise `MediaError`.

    Construction opens the file and decodes its first frame. As a context manager the reader closes
    the file even if an iteration was not finished.

    Args:
        path: the file.

    Raises:
        MediaError: the file is missing, unreadable, no video, or contains no frame.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from cpabmm_core.media import VideoReader, VideoWriter
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with VideoWriter(f"{folder}/a.mp4", 64, 64, 25, Fraction(1, 25)) as writer:
        ...         for pts in (0, 1, 5):  # a variable frame rate
        ...             writer.write(np.zeros((64, 64, 3), dtype=np.uint8), pts)
        ...     with VideoReader(f"{folder}/a.mp4") as reader:
        ...         [str(frame.pts * reader.time_base) for frame in reader]
        ['0', '1/25', '1/5']
    """

    width: int
    """Width of the frames, after rotation."""
    height: int
    """Height of the frames, after rotation."""
    frame_rate: Fraction
    """Nominal number of frames per second."""
    time_base: Fraction
    """Seconds per unit of the timestamps."""
    has_audio: bool
    """Whether the file contains sound."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._open: list[Generator[VideoFrame]] = []
        with open_input(self.path) as container:
            stream = video_stream(container, self.path)
            first = next(decode(container, stream, self.path), None)
            if first is None:
                raise MediaError(f"{self.path}: contains no frame; give a video with at least one")
            self.height, self.width = frame_to_rgb(first, first.width, first.height).shape[:2]
            with library_calls():
                self.frame_rate = stream.average_rate or stream.guessed_rate or _FALLBACK_RATE
                self.time_base = stream.time_base or 1 / self.frame_rate
                self.has_audio = bool(container.streams.audio)

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file, even if an iteration was not finished."""
        for frames in self._open:
            frames.close()

    def __iter__(self) -> Generator[VideoFrame]:
        """Iterate over all frames from the first one."""
        frames = self._frames()
        self._open.append(frames)
        return frames

    def _frames(self) -> Generator[VideoFrame]:
        with open_input(self.path) as container:
            stream = video_stream(container, self.path)
            clock = TimestampClock(container, self.time_base, self._interval, self.path)
            last: VideoFrame | None = None
            count = 0
            size = (0, 0)
            for decoded in decode(container, stream, self.path):
                size = size if count else (decoded.width, decoded.height)
                last = VideoFrame(
                    frame_to_rgb(decoded, *size), clock.read(decoded), decoded.duration or 0
                )
                count += 1
                yield last
            self._require_end(stream, last, count)

    @property
    def _interval(self) -> int:
        return round(1 / (self.frame_rate * self.time_base))

    def _require_end(self, stream: VideoStream, last: VideoFrame | None, count: int) -> None:
        """Raise an error if a file stops long before the end that its header announces.

        FFmpeg ends a truncated MP4 without an error. Both the number of frames and the time must be
        short by more than one frame, because complete files may lack either of them (edit lists, a
        long last frame).
        """
        if last is None or not stream.frames or not stream.duration:
            return
        end = (stream.start_time or 0) + stream.duration
        missing_time = end - (last.pts + (last.duration or self._interval))
        if stream.frames - count > 1 and missing_time > 1.5 * self._interval:
            raise MediaError(
                f"{self.path}: ends after {count} of {stream.frames} frames; "
                "the file is truncated: fetch it again"
            )
