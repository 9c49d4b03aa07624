"""Pictures of several frames: recognition, and opening them with Pillow."""

import io
import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from cpabmm_core.files.checks import require_file
from cpabmm_core.media.pictures.formats import JPEG_JUNK, picture_format
from cpabmm_core.media.pictures.limits import check_file_size, check_size
from cpabmm_core.media.pictures.plain import announced_size
from cpabmm_core.media.pictures.png import animation_chunks
from cpabmm_core.media.pictures.quiet import quiet

_PLUGINS: dict[str, Callable[..., ImageFile.ImageFile]] = {
    "AVIF": AvifImageFile,
    "GIF": GifImageFile,
    "WEBP": WebPImageFile,
}
_SMALLEST_FRAME = 8
"""Bytes. Every format needs more to state when and where it shows a frame."""
_START_OF_SCAN = 0xDA
_MULTI_PICTURE = b"MPF\0"
NEXT_IMAGE = b"\xff\xd9\xff\xd8\xff"
"""The end of a JPEG image and the start of another one."""


def is_animated(path: Path) -> bool:
    """Return whether a picture has several frames.

    The result is False for a damaged file, and for one that announces more frames than it can hold.

    A stream of JPEG images without an index, as cameras write it, counts as well. A photo may hold
    further images too, such as a gain map, but lists them in an index.

    Args:
        path: an existing file of any format.
    """
    head = require_file(path)
    kind = picture_format(head)
    try:
        if kind == "JPEG":
            return _is_stream(path, len(head) - len(head.lstrip(JPEG_JUNK)))
        if kind in _PLUGINS or kind == "PNG":
            with open_animation(path) as image:
                if isinstance(image, GifImageFile):  # counting its frames would take long
                    return image.is_animated
                frames: int = getattr(image, "n_frames", 1)
                return 1 < frames <= path.stat().st_size / _SMALLEST_FRAME
    except Exception:  # the picture is damaged, which its reader reports
        return False
    return False


@contextmanager
def open_animation(path: Path) -> Iterator[ImageFile.ImageFile]:
    """Open an AVIF, GIF, PNG or WebP with Pillow, whatever its metadata.

    Raises:
        MediaError: the file or the picture is too large.
        Exception: whatever Pillow raises for a damaged file.
    """
    head = require_file(path)
    kind = picture_format(head) or ""
    check_file_size(path, kind)
    announced = announced_size(kind, head)
    if announced is not None:  # these decoders allocate memory when they open a file
        check_size(path, announced, kind)
    with path.open("rb") as file:
        with quiet():
            if kind == "PNG":
                image: ImageFile.ImageFile = PngImageFile(io.BytesIO(animation_chunks(file)))
            else:
                image = _PLUGINS[kind](file)
        check_size(path, image.size, kind)
        yield image


def _is_stream(path: Path, start: int) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        position = end_of_jpeg_header(data, start)
        return position is not None and data.find(NEXT_IMAGE, position) >= 0


def end_of_jpeg_header(data: bytearray | mmap.mmap, start: int) -> int | None:
    """Return where the coded pixels of a JPEG begin.

    Args:
        data: the file, or its beginning.
        start: where the image starts.

    Returns:
        The position; None if the file lists further images in an index.

    Raises:
        IndexError: the data end before that.
    """
    position = start + 2
    while data[position] == 0xFF:
        kind, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4])
        if data[position + 4 : position + 8] == _MULTI_PICTURE:
            return None
        position += 2 + length
        if kind == _START_OF_SCAN:
            return position
    return None
