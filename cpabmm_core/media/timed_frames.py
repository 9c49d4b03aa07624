"""Sequential reading of any clip, with timestamps."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from cpabmm_core.errors import DataError
from cpabmm_core.media.channels import with_channels
from cpabmm_core.media.clip_listing import list_clips
from cpabmm_core.media.clips import Clip, open_clip
from cpabmm_core.media.content import is_still
from cpabmm_core.media.video import VideoFrame, VideoReader
from cpabmm_core.progress import StatusCallback

_RATE = Fraction(25)


class DrivingFrames(Protocol):
    """Frames in order, with timestamps: the context manager that `open_driving` returns.

    Timestamps start at zero, or after it if sound comes first, and increase strictly. All frames
    have one size.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from cpabmm_core.media import DrivingFrames, create_frame_folder, open_driving
        >>> def seconds(frames: DrivingFrames) -> float:
        ...     return float(sum(frame.duration for frame in frames) * frames.time_base)
        >>> with tempfile.TemporaryDirectory() as temporary:
        ...     with create_frame_folder(f"{temporary}/clip") as writer:
        ...         for level in (0, 100, 200):
        ...             writer.write(np.full((8, 8, 3), level, dtype=np.uint8))
        ...     with open_driving(f"{temporary}/clip") as frames:
        ...         seconds(frames)
        0.12
    """

    width: int
    """Width of the frames in pixels."""
    height: int
    """Height of the frames in pixels."""
    frame_rate: Fraction
    """Nominal number of frames per second."""
    time_base: Fraction
    """Seconds per unit of the timestamps."""
    has_audio: bool
    """Whether there is sound."""

    @property
    def path(self) -> Path | None:
        """A file or folder with these frames and their sound; None for what can be read once."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether the frames come at their times, without an end, as those of a camera do."""
        ...

    def __iter__(self) -> Iterator[VideoFrame]:
        """Iterate over all frames.

        Raises:
            MediaError: a frame is damaged. All frames before it come first.
            InputLost: the same for a pipe or a camera, which cannot be read again.
        """
        ...

    def __enter__(self) -> Self:
        """Return the frames."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close what is open, even if an iteration was not finished."""
        ...

    def stop(self) -> None:
        """End the iteration soon and in order, as at the end of a video; any thread may call this.

        It also ends waiting for a pipe or a camera.
        """
        ...


class StillFrames:
    """Images without timestamps, shown at 25 frames per second; iterable like a `VideoReader`.

    Args:
        clip: the images.
        path: where they are.

    Raises:
        DataError: the first image is damaged.
    """

    frame_rate = _RATE
    """Frames per second."""
    time_base = 1 / _RATE
    """Seconds per unit of the timestamps."""
    has_audio = False
    """Images have no sound."""
    is_live = False
    """Images do not come at their times."""

    def __init__(self, clip: Clip, path: Path) -> None:
        self._clip, self.path = clip, path
        self._is_stopped = False
        self._shape = clip.read([0])[0].shape
        self.height, self.width = self._shape[:2]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._clip)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass  # no file stays open

    def __iter__(self) -> Iterator[VideoFrame]:
        for index in range(len(self._clip)):
            image = with_channels(self._clip.read([index])[0], self._shape[2])
            if self._is_stopped:
                return
            if image.shape != self._shape:
                raise DataError(
                    f"{self.path}: frame {index} has {image.shape[1]} x {image.shape[0]} pixels, "
                    f"and the first one {self.width} x {self.height}",
                    "give all frames one size",
                )
            yield VideoFrame(image, index, 1)

    def stop(self) -> None:
        """End the iteration after the frame that is being read; any thread may call this."""
        self._is_stopped = True


TimedFrames = VideoReader | StillFrames
"""An iterable of `VideoFrame` with the attributes `frame_rate` and `time_base`."""


def open_frames(path: Path) -> TimedFrames:
    """Open a clip to read its frames in order, in constant memory.

    Args:
        path: anything that `open_clip` opens, or any other video that FFmpeg reads.

    Returns:
        An iterable of `VideoFrame` with the attributes `frame_rate` and `time_base`. A strip, a
        stack and a folder of frames have 25 frames per second.

    Raises:
        MediaError: a video is missing, unreadable or damaged.
        DataError: an image is neither a strip nor a stack, or a folder contains no frames.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from cpabmm_core.media import write_image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "strip.png")
        ...     write_image(path, np.zeros((8, 24, 3), dtype=np.uint8))
        ...     frames = open_frames(path)
        ...     [float(frame.pts * frames.time_base) for frame in frames]
        [0.0, 0.04, 0.08]
    """
    if path.is_dir() or is_still(path):
        return StillFrames(open_clip(path), path)
    return VideoReader(path)


def clips_by_name(path: Path, report: StatusCallback = lambda _: None) -> dict[str, Path]:
    """Map the names of clips, without suffix, to their paths, in natural order.

    Args:
        path: a folder of clips, or a single clip.
        report: called with one line that names what `list_clips` passed over, if anything.

    Raises:
        DataError: the folder contains no clip, or two of the same name.

    Example:
        >>> list(clips_by_name(Path("videos/walk.mp4")))
        ['walk']
    """
    clips: dict[str, Path] = {}
    for clip in list_clips(path, report) if path.is_dir() else [path]:
        name = clip.name if clip.is_dir() else clip.stem
        if name in clips:
            raise DataError(
                f"{path}: {clips[name].name} and {clip.name} have the same name; rename one of them"
            )
        clips[name] = clip
    return clips
