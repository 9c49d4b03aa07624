"""Decoding of PNG files.

Pillow receives the chunks that decide about pixels, and nothing else. So the size and the form of
metadata do not matter. `gAMA` and `cHRM` are ignored.
"""

import io
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from cpabmm_core.errors import MediaError
from cpabmm_core.media.pictures.coded_colour import CodedColour, colour_managed
from cpabmm_core.media.pictures.exif import read_exif
from cpabmm_core.media.pictures.limits import FULL_SIZE_PIXELS, check_size, reduced, reduction
from cpabmm_core.media.pictures.picture import Picture
from cpabmm_core.media.pictures.samples import to_8_bits

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = struct.pack(">L", 0) + b"IEND" + struct.pack(">L", zlib.crc32(b"IEND"))
_GREY, _RGB, _PALETTE, _RGBA = 0, 2, 3, 6
_CHANNELS = {_GREY: 1, _RGB: 3, _PALETTE: 1, 4: 2, _RGBA: 4}
_ANIMATION = (b"IHDR", b"PLTE", b"tRNS", b"acTL", b"fcTL", b"IDAT", b"fdAT")
_METADATA = (b"iCCP", b"eXIf", b"cICP")
_LONGEST_METADATA = 16 << 20


@dataclass
class _Chunks:
    """The parts of a PNG file."""

    pixels: io.BytesIO
    header: bytes = b""
    transparent: bytes = b""
    metadata: dict[bytes, bytes] | None = None

    @property
    def size(self) -> tuple[int, int]:
        return struct.unpack(">LL", self.header[:8])

    @property
    def bits(self) -> int:
        return self.header[8]

    @property
    def colour(self) -> int:
        return self.header[9]


def read_png(path: Path) -> Picture:
    """Decode a PNG file; an animation gives its default image.

    Raises:
        MediaError: the picture is too large.
        OSError: the file is damaged.
        SyntaxError: the file is damaged.
    """
    with path.open("rb") as file:
        chunks = _collect(path, file)
    metadata = chunks.metadata or {}
    coded = CodedColour(*metadata[b"cICP"][:2]) if len(metadata.get(b"cICP", b"")) >= 2 else None
    image = _decode(chunks, coded)
    profile = None if coded else _profile(metadata.get(b"iCCP", b""))
    image = reduced(image, reduction(chunks.size))
    return Picture(image, profile, read_exif(metadata.get(b"eXIf")).orientation, chunks.size)


def _collect(path: Path, file: BinaryIO) -> _Chunks:
    """Read the chunks; the check sums of those that decide about pixels must be right."""
    chunks = _Chunks(io.BytesIO(), metadata={})
    chunks.pixels.write(file.read(len(_SIGNATURE)))
    any_data = False
    for kind, length in _headers(file):
        if kind in (b"IHDR", b"PLTE", b"IDAT"):
            any_data |= kind == b"IDAT"
            body = _checked(file, kind, length)
            if kind == b"IHDR":
                chunks.header = body
                _check_header(path, body)
            if kind != b"PLTE" or chunks.colour == _PALETTE:
                chunks.pixels.write(_chunk(kind, body))
        elif kind == b"tRNS" and not any_data:
            body = file.read(length)
            if zlib.crc32(kind + body) == int.from_bytes(file.read(4), "big"):
                chunks.transparent = body
                if chunks.colour == _PALETTE:
                    chunks.pixels.write(_chunk(kind, body[:256]))
        elif kind in _METADATA and length < _LONGEST_METADATA and chunks.metadata is not None:
            chunks.metadata.setdefault(kind, file.read(length))
            file.seek(4, io.SEEK_CUR)
        elif kind == b"CgBI":
            raise MediaError(f"{path}: is a PNG for iOS programs only; convert it to plain PNG")
        else:
            file.seek(length + 4, io.SEEK_CUR)
    chunks.pixels.write(_END)
    chunks.pixels.seek(0)
    return chunks


def animation_chunks(file: BinaryIO) -> bytes:
    """Return a PNG without the chunks that do not decide about the pixels of its animation.

    Args:
        file: the open file, at its start.
    """
    parts = [file.read(len(_SIGNATURE))]
    for kind, length in _headers(file):
        if kind in _ANIMATION:
            parts += [length.to_bytes(4, "big"), kind, file.read(length + 4)]
        else:
            file.seek(length + 4, io.SEEK_CUR)
    return b"".join([*parts, _END])


def _headers(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    size = os.fstat(file.fileno()).st_size
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        # a length beyond the end must not reserve memory
        yield head[4:], min(int.from_bytes(head[:4], "big"), size - file.tell())


def _checked(file: BinaryIO, kind: bytes, length: int) -> bytes:
    body, stored = file.read(length), file.read(4)
    if len(body) < length or len(stored) < 4:
        raise OSError(f"image file is truncated in {kind.decode()}")
    if zlib.crc32(body, zlib.crc32(kind)) != int.from_bytes(stored, "big"):
        raise OSError(f"wrong check sum of {kind.decode()}")
    return body


def _check_header(path: Path, header: bytes) -> None:
    if len(header) != 13 or header[9] not in _CHANNELS:
        raise OSError("malformed IHDR")
    width, height = struct.unpack(">LL", header[:8])
    check_size(path, (width, height), "PNG")


def _chunk(kind: bytes, body: bytes) -> bytes:
    crc = zlib.crc32(body, zlib.crc32(kind))
    return b"".join([struct.pack(">L", len(body)), kind, body, struct.pack(">L", crc)])


def _decode(chunks: _Chunks, coded: CodedColour | None) -> Image.Image:
    if not chunks.header:
        raise OSError("no IHDR")
    deep = chunks.bits == 16 and chunks.colour in (_GREY, _RGB, _RGBA)
    keyed = bool(chunks.transparent) and chunks.colour in (_GREY, _RGB)
    if not deep and not keyed and coded is None:
        return _decode_8_bits(chunks.pixels)
    pixels = _decode_16_bits(chunks) if deep else None
    if pixels is None:
        image = _decode_8_bits(chunks.pixels)
        pixels = np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    mask = _opaque(pixels, chunks) if keyed else None
    shown = colour_managed(pixels, coded) if coded else to_8_bits(pixels)
    if mask is None:
        return Image.fromarray(shown)
    colour = shown if shown.ndim == 3 else np.repeat(shown[..., None], 3, axis=2)
    return Image.fromarray(np.dstack([colour, mask]))


def _decode_8_bits(data: io.BytesIO, raw_mode: str | None = None) -> Image.Image:
    data.seek(0)
    image = PngImageFile(data)
    if raw_mode is not None:
        image.tile = [tile._replace(args=raw_mode) for tile in image.tile]
    image.load()
    return image


def _decode_16_bits(chunks: _Chunks) -> NDArray[Any]:
    """Return (H, W) or (H, W, C) uint16, or uint8 for a picture that will be reduced.

    Pillow keeps one byte of each colour sample. Read as little-endian, that is the lower byte.
    """
    if chunks.colour == _GREY:
        return np.asarray(_decode_8_bits(chunks.pixels)).astype(np.uint16)
    upper = np.asarray(_decode_8_bits(chunks.pixels))
    if chunks.size[0] * chunks.size[1] > FULL_SIZE_PIXELS:
        return upper
    mode = "RGB;16L" if chunks.colour == _RGB else "RGBA;16L"
    lower = np.asarray(_decode_8_bits(chunks.pixels, mode))
    return np.asarray(upper.astype(np.uint16) << 8 | lower)


def _opaque(pixels: NDArray[Any], chunks: _Chunks) -> NDArray[np.uint8] | None:
    """Return 0 where a pixel has the transparent colour, else 255; None for a malformed colour."""
    channels = _CHANNELS[chunks.colour]
    if len(chunks.transparent) < 2 * channels:
        return None
    key = np.frombuffer(chunks.transparent[: 2 * channels], ">u2").astype(np.int64)
    if chunks.bits == 16:
        key = key if pixels.dtype == np.uint16 else key >> 8
    else:
        top = 2**chunks.bits - 1
        key = (key & top) * (255 // top)
    differs = pixels != key if pixels.ndim == 3 else (pixels != key[0])[..., None]
    return np.where(differs.any(axis=2), 255, 0).astype(np.uint8)


def _profile(body: bytes) -> bytes | None:
    _, found, rest = body.partition(b"\0")
    if not found or rest[:1] != b"\0":
        return None
    try:
        return zlib.decompressobj().decompress(rest[1:], _LONGEST_METADATA) or None
    except zlib.error:
        return None
