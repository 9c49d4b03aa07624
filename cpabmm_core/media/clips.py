"""Training clips by frame number: videos, strips of frames in one image, folders of frames."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from cpabmm_core.errors import DataError, MediaError
from cpabmm_core.media.image import IMAGE_SUFFIXES, read_image
from cpabmm_core.media.video import FrameIndex

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".gif", ".m4v", ".mpg", ".mpeg", ".wmv")
"""What counts as a video in a data set."""

_T = TypeVar("_T")


class Clip(Protocol):
    """A sequence of frames that can be read in any order; may be sent to another process."""

    @property
    def name(self) -> str:
        """File or folder name without suffix."""
        ...

    def __len__(self) -> int:
        """Number of frames."""
        ...

    def read(self, indices: Sequence[int]) -> list[np.ndarray]:
        """Read frames, in the order asked for.

        Args:
            indices: frame numbers from 0 to ``len(clip) - 1``.

        Returns:
            (H, W, 3) uint8 RGB each, all of one size.

        Raises:
            DataError: a number is out of range, or the clip is damaged.
        """
        ...

    def damage(self) -> dict[int, str]:
        """Frames that cannot be read, with the reason for each; reads the whole clip to find them.

        Frames of a folder that differ in size from its first readable one count as well.
        """
        ...


def open_clip(path: str | Path) -> Clip:
    """Open a video or GIF, a strip image, or a folder of frames.

    A strip is an image whose width is a multiple (2 or more) of its height: square frames side by
    side. Frames of a folder come in natural order (2 before 10).

    Raises:
        DataError: it is none of these, or it is damaged.
    """
    path = Path(path)
    if path.is_dir():
        return _FolderClip(path)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _StripClip(path)
    return _VideoClip(path)


def list_clips(folder: str | Path) -> list[Path]:
    """Everything in a folder that looks like a clip, in natural order.

    Files count by suffix, sub-folders if they hold an image; hidden entries and other files, such
    as annotations, do not count.

    Raises:
        DataError: the folder is missing or holds no clip.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give one that holds a clip per file or folder")
    clips = [entry for entry in _visible(folder) if _looks_like_clip(entry)]
    if not clips:
        raise DataError(
            f"{folder}: holds no clip; put videos ({' '.join(VIDEO_SUFFIXES)}), strip images or "
            "folders of frames in it"
        )
    return clips


class _VideoClip:
    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self._index = _as_data_error(lambda: FrameIndex(path))

    def __len__(self) -> int:
        return len(self._index)

    def read(self, indices: Sequence[int]) -> list[np.ndarray]:
        _check_range(self, indices)
        return _as_data_error(lambda: self._index.read(indices))

    def damage(self) -> dict[int, str]:
        try:
            return self._index.damage()
        except MediaError as error:
            return dict.fromkeys(range(len(self)), str(error))


class _StripClip:
    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self._path = path
        height, width = _strip(path).shape[:2]
        if width % height or width < 2 * height:
            raise DataError(
                f"{path}: is {width} x {height}; a strip of square frames is a multiple of its "
                "height wide (2 frames or more)"
            )
        self._count: int = width // height

    def __len__(self) -> int:
        return self._count

    def read(self, indices: Sequence[int]) -> list[np.ndarray]:
        _check_range(self, indices)
        strip = _strip(self._path)
        side = strip.shape[0]
        if strip.shape[1] != self._count * side:
            raise DataError(f"{self._path}: has another shape than when it was opened")
        return [strip[:, i * side : (i + 1) * side].copy() for i in indices]

    def damage(self) -> dict[int, str]:
        try:
            self.read([0])
        except DataError as error:
            return dict.fromkeys(range(len(self)), str(error))
        return {}


class _FolderClip:
    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._path = path
        self._frames = [entry for entry in _visible(path) if _is_image(entry)]
        if not self._frames:
            raise DataError(f"{path}: holds no frame; expected images ({' '.join(IMAGE_SUFFIXES)})")

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, indices: Sequence[int]) -> list[np.ndarray]:
        _check_range(self, indices)
        images = _as_data_error(lambda: [read_image(self._frames[i]) for i in indices])
        if len({image.shape for image in images}) > 1:
            raise DataError(f"{self._path}: its frames differ in size; bring them to one size")
        return images

    def damage(self) -> dict[int, str]:
        lost: dict[int, str] = {}
        first: np.ndarray | None = None
        for number, path in enumerate(self._frames):
            try:
                image = read_image(path)
            except MediaError as error:
                lost[number] = str(error)
                continue
            first = image if first is None else first
            if image.shape != first.shape:
                lost[number] = f"{path}: differs in size from the frames before it"
        return lost


def _strip(path: Path) -> np.ndarray:
    """The whole strip; those of the last two clips read stay in memory, a pair for metrics."""
    try:
        return _strip_of(path, path.stat().st_mtime_ns)
    except OSError:
        return _strip_of(path, 0)


@lru_cache(maxsize=2)
def _strip_of(path: Path, _: int) -> np.ndarray:
    return _as_data_error(lambda: read_image(path))


def _as_data_error(action: Callable[[], _T]) -> _T:
    try:
        return action()
    except MediaError as error:
        raise DataError(str(error)) from None


def _check_range(clip: Clip, indices: Sequence[int]) -> None:
    for index in indices:
        if not 0 <= index < len(clip):
            raise DataError(f"{clip.name}: has frames 0 to {len(clip) - 1}, not {index}")


def _visible(folder: Path) -> list[Path]:
    entries = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return sorted(entries, key=lambda entry: _natural(entry.name))


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key in which runs of digits compare as numbers; the name itself breaks ties."""
    parts = re.split(r"([0-9]+)", name.casefold())
    keys = [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
    return [*keys, (-1, name)]


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()


def _looks_like_clip(path: Path) -> bool:
    if path.is_dir():
        return any(_is_image(entry) for entry in _visible(path))
    return path.suffix.lower() in (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES)
