"""Opening a picture file of any format that is read."""

from pathlib import Path

from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import one_line, require_file
from cpabmm_core.media.pictures.formats import picture_format, unread_format
from cpabmm_core.media.pictures.heif import read_heif
from cpabmm_core.media.pictures.jpeg import read_jpeg
from cpabmm_core.media.pictures.limits import check_file_size, tell_reduction
from cpabmm_core.media.pictures.picture import Picture
from cpabmm_core.media.pictures.plain import read_plain
from cpabmm_core.media.pictures.png import read_png

_CURES = {"SVG": "render it as a PNG first", "camera raw": "develop it to JPEG or TIFF first"}


def open_picture(path: Path, page: int = 0) -> Picture:
    """Decode a picture file.

    Args:
        path: the file.
        page: number of the page of a TIFF, from 0.

    Raises:
        MediaError: the file is missing, unreadable, damaged, too large or no picture that can be
            read.
    """
    head = require_file(path, expected="an image or video file")
    named = unread_format(head)
    if named is not None:
        cure = _CURES.get(named, "convert it to PNG or JPEG first")
        raise MediaError(f"{path}: is a picture in the format {named}, which is not read; {cure}")
    kind = picture_format(head)
    if kind is None:
        raise MediaError(
            f"{path}: is not a readable image; give a PNG, JPEG, WebP, BMP, TIFF or GIF"
        )
    if page and kind != "TIFF":
        raise MediaError(f"{path}: has no page {page}; only a TIFF has several")
    check_file_size(path, kind)
    try:
        picture = _read(path, kind, head, page)
    except (MediaError, MemoryError):
        raise
    except Exception as error:  # decoders raise whatever their parsers raise
        cure = "export it again" if kind != "HEIF" else "export it again, or convert it to JPEG"
        raise MediaError(f"{path}: damaged image ({one_line(error)}); fetch or {cure}") from None
    tell_reduction(path, picture.stored_size, picture.image.size)
    return picture


def _read(path: Path, kind: str, head: bytes, page: int) -> Picture:
    if kind == "JPEG":
        return read_jpeg(path)
    if kind == "PNG":
        return read_png(path)
    if kind == "TIFF":
        from cpabmm_core.media.pictures.tiff import read_tiff

        return read_tiff(path, page)
    if kind == "HEIF":
        return read_heif(path)
    return read_plain(path, kind, head)
