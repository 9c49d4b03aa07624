"""What is animated: a picture, or frames of which each is animated at its time."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

from cpabmm_core.arrays import Frame
from cpabmm_core.media.channels import with_channels
from cpabmm_core.media.timed_frames import DrivingFrames
from cpabmm_core.media.video import VideoFrame

_TOLERANCE = 0.001
"""Seconds. Matroska and FLV round times to milliseconds."""


class SourceFrames:
    """A picture, or a moving source that is read once, with two of its frames in memory.

    `open_source` returns an object of this class. As a context manager it closes its file.

    Args:
        frames: the frames, which this object closes.

    Raises:
        MediaError: there is no frame, or the first or the second one is damaged.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from cpabmm_core.media import create_frame_folder, open_source
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with create_frame_folder(f"{folder}/clip") as writer:
        ...         for level in (0, 100):
        ...             writer.write(np.full((8, 8, 3), level, dtype=np.uint8))
        ...     with open_source(f"{folder}/clip") as source:
        ...         shown = [source.frame_at(time) for time in (0.0, 0.03, 0.05, 0.08)]
        >>> [image if image is None else int(image[0, 0, 0]) for image in shown]
        [0, 0, 100, None]
    """

    first: Frame
    """The picture, or the first frame: (H, W, 3) uint8 RGB, or (H, W, 4) RGBA, not premultiplied,
    if transparency is kept and it has some. All frames have this shape."""
    is_moving: bool
    """Whether there is more than one frame."""
    path: Path | None
    """The file or folder; None for a pipe."""
    has_audio: bool
    """Whether there is sound."""

    def __init__(self, frames: DrivingFrames) -> None:
        self._frames = frames
        self.path, self.has_audio = frames.path, frames.has_audio
        self._rest: Iterator[VideoFrame] = iter(frames)
        self._shown = next(self._rest)
        self._following = next(self._rest, None)
        self.first = _without_needless_alpha(self._shown.image)
        self.is_moving = self._following is not None
        self._latest = 0.0
        if not self.is_moving:
            frames.__exit__(None, None, None)

    def __enter__(self) -> Self:
        """Return the source."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._frames.__exit__(kind, error, trace)

    def frame_at(self, time: float | Fraction) -> Frame | None:
        """Return the frame that is shown at a time.

        Args:
            time: seconds from the start, not less than in the call before.

        Returns:
            A frame of the shape of `first`; None after the end of a moving source. A picture has no
            end.

        Raises:
            MediaError: the source is damaged before that time.
            ValueError: the time is less than in the call before.
        """
        seconds = float(time)
        if seconds < self._latest:
            raise ValueError(f"expected rising times, got {seconds} s after {self._latest} s")
        self._latest = seconds
        while self._following is not None and self._start(self._following) <= seconds:
            self._shown, self._following = self._following, next(self._rest, None)
        if self.is_moving and self._following is None and self._end() <= seconds:
            return None
        return with_channels(self._shown.image, self.first.shape[2])

    def _start(self, frame: VideoFrame) -> float:
        return float(frame.pts * self._frames.time_base) - _TOLERANCE

    def _end(self) -> float:
        """Return the end of the last frame, which may state no duration."""
        stated = self._shown.duration * self._frames.time_base
        return self._start(self._shown) + float(stated or 1 / self._frames.frame_rate)


def _without_needless_alpha(image: Frame) -> Frame:
    """Return an opaque frame with three channels: formats such as GIF always have a fourth."""
    return with_channels(image, 3) if image.shape[2] == 4 and image[..., 3].min() == 255 else image
