"""Writing clips of a data set as near-lossless MP4 files or folders of PNG frames."""

import shutil
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.errors import ConfigError
from cpabmm_core.files.checks import write_error
from cpabmm_core.media.frame_folder import FrameFolderWriter
from cpabmm_core.media.video import VideoWriter

ClipFormat = Literal["mp4", "png"]

NEAR_LOSSLESS_CRF = 8
"""The constant rate factor of H.264. At this value, colour subsampling causes most of the error."""


def clip_name(*parts: str, start: int, end: int) -> str:
    """Return the name of a clip, without suffix: ``PART#...#START#END``, with six-digit numbers.

    Example:
        >>> from cpabmm_core.data.preprocess.clip_writer import clip_name
        >>> clip_name("id10001", "talk", start=25, end=350)
        'id10001#talk#000025#000350'
    """
    return "#".join([*parts, f"{start:06d}", f"{end:06d}"])


def clip_path(folder: Path, name: str, file_format: ClipFormat) -> Path:
    """Return the path of a clip: a file for ``mp4``, a folder for ``png``."""
    return folder / (f"{name}.mp4" if file_format == "mp4" else name)


def check_clip_size(size: int, file_format: ClipFormat) -> None:
    """Check that clips of a size can be written.

    Raises:
        ConfigError: the size is too small, or odd with MP4.
    """
    if size < 2 or (file_format == "mp4" and size % 2):
        raise ConfigError(
            f"size {size}: expected 2 or more, and an even number for mp4; choose another size, or"
            " the format png"
        )


class ClipWriter:
    """Writes a clip frame by frame.

    MP4 files keep the timestamps of the frames, relative to the first. PNG frames are numbered from
    ``000000.png`` and have no timestamps. The output is not atomic: write to a temporary folder,
    then call `move_into_place`.
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
            path: path from `clip_path`, whose parent folder exists.
            size: side of the square frames.
            file_format: ``mp4`` or ``png``.
            frame_rate: nominal frame rate of the source video.
            time_base: seconds per unit of the timestamps.

        Raises:
            MediaError: the clip cannot be written.
            ResourceError: the disk is full.
        """
        self._first_pts: int | None = None
        self._frames: VideoWriter | FrameFolderWriter
        if file_format == "mp4":
            self._frames = VideoWriter(
                path, size, size, frame_rate, time_base, crf=NEAR_LOSSLESS_CRF
            )
            return
        try:
            path.mkdir()
        except OSError as error:
            raise write_error(path, error) from None
        self._frames = FrameFolderWriter(path)

    def __enter__(self) -> Self:
        """Return the writer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the clip, or close it unfinished after an error."""
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
            image: RGB frame.
            pts: presentation time in the source video, in time-base units.
            duration: duration in time-base units, or 0 if unknown.

        Raises:
            MediaError: the clip cannot be written.
            ResourceError: the disk is full.
        """
        if self._first_pts is None:
            self._first_pts = pts
        self._frames.write(image, pts - self._first_pts, duration)


def move_into_place(
    written: Path,
    target: Path,
) -> None:
    """Move a finished clip to its final path on the same disk, replacing an existing one.

    Raises:
        MediaError: the clip cannot be moved.
    """
    try:
        if target.is_dir():
            shutil.rmtree(target)
        written.replace(target)
    except OSError as error:
        raise write_error(target, error) from None
