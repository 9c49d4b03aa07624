"""Decoding of JPEG files.

Pillow receives the segments that decide about pixels, and nothing else. So malformed metadata and
the second pictures of multi-picture files do not matter, and the first picture is read.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from cpabmm_core.errors import MediaError
from cpabmm_core.media.pictures.exif import read_exif
from cpabmm_core.media.pictures.formats import JPEG_JUNK
from cpabmm_core.media.pictures.limits import check_size, reduction
from cpabmm_core.media.pictures.picture import Picture
from cpabmm_core.media.pictures.profiles import ADOBE_RGB

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_SOS, _APP0, _APP1, _APP2, _APP14, _COMMENT = 0xDA, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = {0xC0, 0xC1}
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8)}
_ICC, _EXIF = b"ICC_PROFILE\0", b"Exif\0\0"
_CONTINUATIONS = (b"\0" * 64 + _EOI, b"\xaa" * 64 + _EOI)


@dataclass
class _Segments:
    """The parts of a JPEG file."""

    pixels: bytearray = field(default_factory=lambda: bytearray(_SOI))
    profile: list[bytes] = field(default_factory=list)
    exif: bytes | None = None
    frame: tuple[int, int, int, int] | None = None  # marker, bits, height, width


def read_jpeg(path: Path) -> Picture:
    """Decode a JPEG file, reduced if it is very large.

    Raises:
        MediaError: the picture is too large or of a kind that the decoder lacks.
        OSError: the file is damaged.
    """
    parts = _split(path.read_bytes())
    if parts.frame is None:
        raise OSError("no frame header")
    marker, bits, height, width = parts.frame
    check_size(path, (width, height), "JPEG")
    if bits != 8:
        raise MediaError(f"{path}: is a JPEG of {bits} bits; convert it to 8 bits or to PNG")
    factor = reduction((width, height))
    try:
        image = _decode(parts.pixels, factor)
    except OSError:
        if marker not in _SEQUENTIAL or parts.pixels.rstrip(b"\0").endswith(_EOI):
            raise
        image = _decode_without_end(parts.pixels, factor)
    exif = read_exif(parts.exif)
    profile = b"".join(parts.profile) or (ADOBE_RGB if exif.adobe_rgb else None)
    return Picture(image, profile, exif.orientation, (width, height))


def _split(data: bytes) -> _Segments:
    parts = _Segments()
    pieces: list[tuple[int, bytes]] = []
    for marker, start, end in _walk(data):
        body = data[start + 4 : end]
        if marker in _FRAMES and parts.frame is None and len(body) >= 5:
            parts.frame = (marker, *struct.unpack(">BHH", body[:5]))
        elif marker == _APP1 and parts.exif is None and body.startswith(_EXIF):
            parts.exif = body
        elif marker == _APP2 and body.startswith(_ICC) and len(body) > 14:
            pieces.append((body[12], body[14:]))
        if not _APP1 <= marker < _APP14 and marker not in (_APP14 + 1, _COMMENT):
            parts.pixels += data[start:end]
    parts.profile = [piece for _, piece in sorted(pieces, key=lambda piece: piece[0])]
    return parts


def _walk(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the marker, start and end of each segment; the last one holds all scans."""
    position = len(data) - len(data.lstrip(JPEG_JUNK)) + 2
    while position + 4 <= len(data):
        position = data.find(b"\xff", position)  # skips stray bytes, as libjpeg does
        if position < 0 or position + 4 > len(data):
            return
        marker = data[position + 1]
        if marker == _SOS:
            yield marker, position, len(data)
            return
        if marker in (0x00, 0xFF):
            position += 1
        elif marker in _WITHOUT_LENGTH:
            position += 2
        else:
            end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
            yield marker, position, min(end, len(data))
            position = end


def _decode(pixels: bytes | bytearray, factor: int) -> Image.Image:
    image = JpegImageFile(io.BytesIO(pixels))
    if factor > 1:
        image.draft(None, (image.width // factor, image.height // factor))
    image.load()
    return image


def _decode_without_end(pixels: bytearray, factor: int) -> Image.Image:
    """Decode a file whose end marker is missing, but whose pixels are complete.

    The pixels are complete if they do not depend on what follows the file.
    """
    first, second = (_decode(pixels + more, factor) for more in _CONTINUATIONS)
    if first.tobytes() != second.tobytes():
        raise OSError("image file is truncated")
    return first
