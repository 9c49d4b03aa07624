"""The kinds of clips that `open_clip` opens."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import DataError, MediaError
from cpabmm_core.files.checks import one_line
from cpabmm_core.media.folder_entries import is_image_file, visible_entries
from cpabmm_core.media.image import read_image
from cpabmm_core.media.image_stack import count_pages, read_page
from cpabmm_core.media.video import FrameIndex

_T = TypeVar("_T")


class VideoClip:
    """A video or GIF."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self._index = _with_data_error(lambda: FrameIndex(path))

    def __len__(self) -> int:
        return len(self._index)

    def read(self, indices: Sequence[int]) -> list[Frame]:
        """Decode frames in the given order."""
        _check_range(self.name, len(self), indices)
        return _with_data_error(lambda: self._index.read(indices))

    def find_damage(self) -> dict[int, str]:
        """Decode all frames and return the reason for each that cannot be read."""
        try:
            return self._index.find_damage()
        except MediaError as error:
            return dict.fromkeys(range(len(self)), str(error))


class StripClip:
    """Square frames next to each other in one image.

    Args:
        path: the image.
        alpha: whether to keep the transparency of an image that has some.
    """

    def __init__(self, path: Path, *, alpha: bool = False) -> None:
        self.name = path.stem
        self._path, self._alpha = path, alpha
        height, width = _read_strip(path, alpha).shape[:2]
        if width % height or width < 2 * height:
            raise DataError(
                f"{path}: is {width} x {height}, not a strip of square frames; give an image whose "
                "width is a multiple of its height, 2 or more"
            )
        self._count: int = width // height

    def __len__(self) -> int:
        return self._count

    def read(self, indices: Sequence[int]) -> list[Frame]:
        """Cut frames out of the strip, in the given order."""
        _check_range(self.name, len(self), indices)
        strip = _read_strip(self._path, self._alpha)
        side = strip.shape[0]
        if strip.shape[1] != self._count * side:
            raise DataError(
                f"{self._path}: has changed its size since it was opened; open it again"
            )
        return [strip[:, i * side : (i + 1) * side].copy() for i in indices]

    def find_damage(self) -> dict[int, str]:
        """Read the strip; if that fails, report every frame."""
        try:
            self.read([0])
        except DataError as error:
            return dict.fromkeys(range(len(self)), str(error))
        return {}


class PictureClip:
    """One picture, which has been read already.

    Args:
        image: the picture.
        path: its file.
    """

    def __init__(self, image: Frame, path: Path) -> None:
        self.name = path.stem
        self._image = image

    def __len__(self) -> int:
        return 1

    def read(self, indices: Sequence[int]) -> list[Frame]:
        """Return the picture, as often as it is asked for."""
        _check_range(self.name, 1, indices)
        return [self._image for _ in indices]

    def find_damage(self) -> dict[int, str]:
        """Return no damage."""
        return {}


class _ImagesClip(ABC):
    """Frames that are separate images."""

    def __init__(self, path: Path, name: str, count: int, *, alpha: bool) -> None:
        self.name = name
        self._path, self._alpha = path, alpha
        self._count = count

    def __len__(self) -> int:
        return self._count

    def read(self, indices: Sequence[int]) -> list[Frame]:
        """Read images in the given order."""
        _check_range(self.name, len(self), indices)
        images = _with_data_error(lambda: [self._read_one(index) for index in indices])
        if len({image.shape for image in images}) > 1:
            raise DataError(f"{self._path}: its frames differ in size; give all of them one size")
        return images

    def find_damage(self) -> dict[int, str]:
        """Read all images and return the reason for each that cannot be used."""
        lost: dict[int, str] = {}
        first: Frame | None = None
        for index in range(len(self)):
            try:
                image = self._read_one(index)
            except MediaError as error:
                lost[index] = str(error)
                continue
            first = image if first is None else first
            if image.shape != first.shape:
                lost[index] = f"{self._label(index)}: differs in size from the frames before it"
        return lost

    @abstractmethod
    def _read_one(self, index: int) -> Frame:
        """Read an image by number."""

    @abstractmethod
    def _label(self, index: int) -> str:
        """Return the name of an image, for messages."""


class FolderClip(_ImagesClip):
    """A folder of images.

    Args:
        path: the folder.
        alpha: whether to keep the transparency of images that have some.
    """

    def __init__(self, path: Path, *, alpha: bool = False) -> None:
        try:
            self._files = [entry for entry in visible_entries(path) if is_image_file(entry)]
        except OSError as error:
            raise DataError(f"{path}: cannot be listed ({one_line(error)}); check it") from None
        if not self._files:
            raise DataError(f"{path}: contains no frame; put images (.png, .jpg, .tif, ...) in it")
        super().__init__(path, path.name, len(self._files), alpha=alpha)

    def _read_one(self, index: int) -> Frame:
        return read_image(self._files[index], alpha=self._alpha)

    def _label(self, index: int) -> str:
        return str(self._files[index])


class StackClip(_ImagesClip):
    """A TIFF file of several pages.

    Args:
        path: the file.
        alpha: whether to keep the transparency of pages that have some.
    """

    def __init__(self, path: Path, *, alpha: bool = False) -> None:
        count = _with_data_error(lambda: count_pages(path))
        super().__init__(path, path.stem, count, alpha=alpha)

    def _read_one(self, index: int) -> Frame:
        return read_page(self._path, index, alpha=self._alpha)

    def _label(self, index: int) -> str:
        return f"{self._path}, page {index}"


def is_stack(path: Path) -> bool:
    """Return whether a file is a TIFF of several pages; False for a file that cannot be read."""
    try:
        return count_pages(path) > 1
    except MediaError:  # opening it as a strip reports what is wrong
        return False


def _read_strip(path: Path, alpha: bool) -> Frame:
    """Read a strip; the last two stay in memory, because metrics read clips in pairs."""
    try:
        return _cached_strip(path, alpha, path.stat().st_mtime_ns)
    except OSError:
        return _cached_strip(path, alpha, 0)


@lru_cache(maxsize=2)
def _cached_strip(path: Path, alpha: bool, _: int) -> Frame:
    return _with_data_error(lambda: read_image(path, alpha=alpha))


def _with_data_error(action: Callable[[], _T]) -> _T:
    """Run an action and turn a `MediaError` into a `DataError`."""
    try:
        return action()
    except MediaError as error:
        raise DataError(str(error)) from None


def _check_range(name: str, count: int, indices: Sequence[int]) -> None:
    for index in indices:
        if not 0 <= index < count:
            raise DataError(f"{name}: has frames 0 to {count - 1}, not {index}")
