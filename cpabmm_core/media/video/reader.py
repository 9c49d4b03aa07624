"""Reading a video frame by frame, in constant memory, with the exact timestamps."""

from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from av.video.stream import VideoStream

from cpabmm_core.errors import MediaError
from cpabmm_core.media.video.clock import Clock
from cpabmm_core.media.video.decoding import (
    decode,
    open_input,
    to_rgb,
    video_stream,
)

_FALLBACK_RATE = Fraction(25)


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One picture of a video and when it is shown."""

    image: np.ndarray
    """(H, W, 3) uint8 RGB."""
    pts: int
    """Time at which it is shown, in units of the reader's time base."""
    duration: int
    """How long it is shown, in the same units; 0 where the file does not say."""


class VideoReader:
    """A video, GIF or still image as a sequence of frames; may be iterated more than once.

    Timestamps are the file's own, strictly increasing; variable frame rates and late starts stay
    as they are. Rotation metadata is applied. A frame whose size differs from the first frame's is
    rescaled to that. A container that announces one frame more than it holds is accepted; damage
    or a missing end raise `MediaError`.

    Example:
        >>> with VideoReader("driving.mp4") as reader:  # doctest: +SKIP
        ...     for frame in reader:
        ...         print(frame.pts * reader.time_base, frame.image.shape)
    """

    width: int
    height: int
    frame_rate: Fraction
    time_base: Fraction
    has_audio: bool

    def __init__(self, path: str | Path) -> None:
        """Open a video and decode its first frame.

        Raises:
            MediaError: the file is missing, unreadable, no video, or holds no frame.
        """
        self.path = Path(path)
        self._open: list[Generator[VideoFrame]] = []
        with open_input(self.path) as container:
            stream = video_stream(container, self.path)
            first = next(decode(container, stream, self.path), None)
            if first is None:
                raise MediaError(f"{self.path}: holds no frame; give a video with at least one")
            self.height, self.width = to_rgb(first, first.width, first.height).shape[:2]
            self.frame_rate = stream.average_rate or stream.guessed_rate or _FALLBACK_RATE
            self.time_base = stream.time_base or 1 / self.frame_rate
            self.has_audio = bool(container.streams.audio)

    def __enter__(self) -> Self:
        """The reader itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file, also where an iteration was left half way."""
        for frames in self._open:
            frames.close()

    def __iter__(self) -> Generator[VideoFrame]:
        """All frames from the first one."""
        frames = self._frames()
        self._open.append(frames)
        return frames

    def _frames(self) -> Generator[VideoFrame]:
        with open_input(self.path) as container:
            stream = video_stream(container, self.path)
            clock = Clock(container, self.time_base, self._interval, self.path)
            last: VideoFrame | None = None
            count = 0
            size = (0, 0)
            for decoded in decode(container, stream, self.path):
                size = size if count else (decoded.width, decoded.height)
                last = VideoFrame(
                    to_rgb(decoded, *size), clock.read(decoded), decoded.duration or 0
                )
                count += 1
                yield last
            self._require_end(stream, last, count)

    @property
    def _interval(self) -> int:
        return round(1 / (self.frame_rate * self.time_base))

    def _require_end(self, stream: VideoStream, last: VideoFrame | None, count: int) -> None:
        """Refuse a file that stops long before the end that its header announces.

        FFmpeg ends a cut MP4 without an error. Both the number of frames and the time must be
        short by more than one frame: either alone is also so in whole files (edit lists, a last
        frame that lasts).
        """
        if last is None or not stream.frames or not stream.duration:
            return
        end = (stream.start_time or 0) + stream.duration
        missing_time = end - (last.pts + (last.duration or self._interval))
        if stream.frames - count > 1 and missing_time > 1.5 * self._interval:
            raise MediaError(
                f"{self.path}: ends after {count} of {stream.frames} frames; "
                "the file is cut short: fetch it again"
            )
