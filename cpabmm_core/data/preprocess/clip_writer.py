"""Writing clips of a data set: near-lossless MP4 files, or folders of PNG frames."""

import shutil
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.errors import ConfigError
from cpabmm_core.files.checks import write_error
from cpabmm_core.media.frame_folder import FrameFolder
from cpabmm_core.media.video import VideoWriter

ClipFormat = Literal["mp4", "png"]

NEAR_LOSSLESS_CRF = 8
"""H.264's constant rate factor of clips: the error that is left is that of halved colours."""


def clip_name(*parts: str, start: int, end: int) -> str:
    """The name of a clip, without suffix: ``PART#...#START#END``, numbers with six digits.

    Example:
        >>> clip_name("id10001", "talk", start=25, end=350)
        'id10001#talk#000025#000350'
    """
    return "#".join([*parts, f"{start:06d}", f"{end:06d}"])


def clip_path(folder: Path, name: str, file_format: ClipFormat) -> Path:
    """Where a clip of this name lies: a file for mp4, a folder for png."""
    return folder / (f"{name}.mp4" if file_format == "mp4" else name)


def check_clip_size(size: int, file_format: ClipFormat) -> None:
    """Check that clips of this side can be written.

    Raises:
        ConfigError: MP4 needs even sides.
    """
    if size < 2 or (file_format == "mp4" and size % 2):
        raise ConfigError(f"size {size}: mp4 needs an even side; give one, or the format png")


class ClipWriter:
    """A clip that takes its frames one by one.

    MP4 keeps the times of the frames, counted from the first one; PNG frames are numbered
    ``000000.png`` on, and have none. The clip is not there atomically: write it to a folder of
    unfinished ones, and move it with `move_into_place`.

    Example:
        >>> with ClipWriter(path, 256, "mp4", reader) as writer:  # doctest: +SKIP
        ...     writer.write(crop_and_resize(frame.image, box, 256), frame.pts, frame.duration)
    """

    def __init__(
        self,
        path: Path,
        size: int,
        file_format: ClipFormat,
        frame_rate: Fraction | int,
        time_base: Fraction,
    ) -> None:
        """Open the clip.

        Args:
            path: as `clip_path` gives it; its folder is there.
            size: side of the square frames.
            file_format: MP4 or PNG.
            frame_rate: nominal frame rate, of the video that the clip is cut from.
            time_base: seconds per unit of the timestamps.

        Raises:
            MediaError: it cannot be written.
            ResourceError: the disk is full.
        """
        self._first_pts: int | None = None
        self._frames: VideoWriter | FrameFolder
        if file_format == "mp4":
            self._frames = VideoWriter(
                path, size, size, frame_rate, time_base, crf=NEAR_LOSSLESS_CRF
            )
            return
        try:
            path.mkdir()
        except OSError as error:
            raise write_error(path, error) from None
        self._frames = FrameFolder(path)

    def __enter__(self) -> Self:
        """The writer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the clip; after an error only close it."""
        if isinstance(self._frames, VideoWriter):
            self._frames.__exit__(kind, error, trace)

    def write(
        self,
        image: NDArray[np.uint8],  # (size, size, 3)
        pts: int,
        duration: int = 0,
    ) -> None:
        """Append a frame.

        Args:
            image: RGB.
            pts: time at which the source shows it, in time-base units.
            duration: how long it is shown, in the same units; 0 leaves it open.

        Raises:
            MediaError: it cannot be written.
            ResourceError: the disk is full.
        """
        if self._first_pts is None:
            self._first_pts = pts
        self._frames.write(image, pts - self._first_pts, duration)


def move_into_place(
    written: Path,
    target: Path,
) -> None:
    """Move a finished clip to where it belongs, on the same disk; one that is there is replaced.

    Raises:
        MediaError: it cannot be moved.
    """
    try:
        if target.is_dir():
            shutil.rmtree(target)
        written.replace(target)
    except OSError as error:
        raise write_error(target, error) from None
