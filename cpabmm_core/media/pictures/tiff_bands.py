"""The pixels of a TIFF page, decoded in bands of rows.

Each band becomes a small TIFF in memory with the tags that its codec needs, which Pillow decodes.
Codecs of bytes do not depend on the type of the samples: there, the band is declared as a grey
picture of bytes, and the samples are interpreted afterwards.
"""

import io
import os
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from cpabmm_core.media.pictures.quiet import quiet
from cpabmm_core.media.pictures.tiff_layout import Layout, UnreadLayoutError
from cpabmm_core.media.pictures.tiff_samples import to_samples

_BAND_BYTES = 32 << 20
_LARGEST_BLOCK = 1 << 30
_SHORT, _LONG, _RATIONAL, _UNDEFINED = 3, 4, 5, 7
_SIZES = {_SHORT: "H", _LONG: "L"}
_YCBCR = 6


class _Band(TiffImageFile):
    """A TIFF in memory; `limits` has checked its size."""

    def load_prepare(self) -> None:
        ImageFile.ImageFile.load_prepare(self)


def sample_bands(file: BinaryIO, layout: Layout, factor: int) -> Iterator[NDArray[Any]]:
    """Yield the samples of each band as (rows, W, S), in native byte order.

    Args:
        file: the TIFF file.
        layout: how the page stores its pixels.
        factor: all bands but the last have a multiple of this number of rows.
    """
    planes = layout.samples if layout.planar else 1
    row_bytes = layout.bytes_per_block_row
    if row_bytes * layout.block[1] > _LARGEST_BLOCK:
        size = row_bytes * layout.block[1] >> 20
        raise UnreadLayoutError(f"with a strip of {size} MB, where the limit is 1024 MB")
    for blocks, rows in _bands(layout, row_bytes * _across(layout), factor):
        parts = []
        for plane in range(planes):
            tags = _byte_tags(layout)
            parts.append(_wrap(file, layout, blocks, plane, (row_bytes, rows), tags))
        yield from _samples(parts, layout, factor)


def _samples(parts: list[Image.Image], layout: Layout, factor: int) -> Iterator[NDArray[Any]]:
    """Interpret the bytes of each plane, some rows at a time."""
    step = -(-max(1, _BAND_BYTES // (parts[0].width * len(parts))) // factor) * factor
    for top in range(0, parts[0].height, step):
        box = (0, top, parts[0].width, min(top + step, parts[0].height))
        planes = [to_samples(np.asarray(part.crop(box)), layout) for part in parts]
        yield planes[0] if len(planes) == 1 else np.concatenate(planes, axis=2)


def decoded_bands(file: BinaryIO, layout: Layout, factor: int) -> Iterator[Image.Image]:
    """Yield each band as an image of mode L, RGB, RGBA or CMYK, divided by `factor`."""
    if layout.planar and layout.photometric == _YCBCR:
        raise UnreadLayoutError("of YCbCr in separate planes")
    if layout.bits > 8:
        raise UnreadLayoutError(f"of {layout.bits} bits in this compression")
    planes = layout.samples if layout.planar else 1
    width = layout.block[0] * _across(layout)
    for blocks, rows in _bands(layout, width * layout.samples, factor):
        tags = _picture_tags(layout)
        images = [
            _wrap(file, layout, blocks, plane, (layout.block[0], rows), tags)
            for plane in range(planes)
        ]
        if planes > 1:
            mode = {3: "RGB", 4: "CMYK" if layout.alpha is None else "RGBA"}.get(planes)
            if mode is None:
                raise UnreadLayoutError(f"of {planes} planes in this compression")
            images = [Image.merge(mode, images)]
        image = images[0].convert("L") if images[0].mode == "1" else images[0]
        image = image.crop((0, 0, layout.size[0], image.height))
        yield image if factor == 1 else image.reduce(factor)


def _across(layout: Layout) -> int:
    return -(-layout.size[0] // layout.block[0])


def _bands(
    layout: Layout, bytes_per_row: int, factor: int
) -> Iterator[tuple[tuple[int, int], int]]:
    """Yield the range of block rows of each band, and its number of pixel rows."""
    height, block = layout.size[1], layout.block[1]
    rows_of_blocks = -(-height // block)
    step = max(1, _BAND_BYTES // max(1, bytes_per_row * block))
    step = -(-step // factor) * factor
    for first in range(0, rows_of_blocks, step):
        last = min(first + step, rows_of_blocks)
        yield (first, last), min(last * block, height) - first * block


def _wrap(
    file: BinaryIO,
    layout: Layout,
    blocks: tuple[int, int],
    plane: int,
    block_size: tuple[int, int],
    tags: dict[int, tuple[int, Any]],
) -> Image.Image:
    """Decode a range of block rows of a plane."""
    across = _across(layout)
    start = (plane * -(-layout.size[1] // layout.block[1]) + blocks[0]) * across
    wanted = slice(start, start + (blocks[1] - blocks[0]) * across)
    pieces = [
        _read(file, *place)
        for place in zip(layout.offsets[wanted], layout.counts[wanted], strict=True)
    ]
    if len(pieces) < (blocks[1] - blocks[0]) * across:
        raise OSError("strips or tiles are missing")
    width, rows = block_size
    shape = {256: (_LONG, width * across), 257: (_LONG, rows)}
    if layout.is_tiled:
        shape |= {322: (_LONG, width), 323: (_LONG, layout.block[1])}
    else:
        shape |= {278: (_LONG, layout.block[1])}
    data = _file(pieces, {**tags, **shape}, is_tiled=layout.is_tiled)
    del pieces
    with quiet():
        band = _Band(io.BytesIO(data))
        band.load()
    return band if band.height == rows else band.crop((0, 0, band.width, rows))


def _read(file: BinaryIO, offset: int, count: int) -> bytes:
    if not count or offset + count > os.fstat(file.fileno()).st_size:
        raise OSError("image file is truncated")
    file.seek(offset)
    return file.read(count)


def _byte_tags(layout: Layout) -> dict[int, tuple[int, Any]]:
    return {
        258: (_SHORT, 8),
        259: (_SHORT, layout.compression),
        262: (_SHORT, 1),
        266: (_SHORT, layout.fill_order),
        277: (_SHORT, 1),
    }


def _picture_tags(layout: Layout) -> dict[int, tuple[int, Any]]:
    samples = 1 if layout.planar else layout.samples
    tags: dict[int, tuple[int, Any]] = {
        258: (_SHORT, (layout.bits,) * samples),
        259: (_SHORT, layout.compression),
        262: (_SHORT, 1 if layout.planar else layout.photometric),
        266: (_SHORT, layout.fill_order),
        277: (_SHORT, samples),
        284: (_SHORT, 1),
    }
    if layout.predictor != 1:
        tags[317] = (_SHORT, layout.predictor)
    if samples > layout.colours:
        kind = 0 if layout.alpha is None else 1 if layout.premultiplied else 2
        tags[338] = (_SHORT, (kind,) + (0,) * (samples - layout.colours - 1))
    return tags | layout.tags


def _file(pieces: list[bytes], tags: dict[int, tuple[int, Any]], *, is_tiled: bool) -> bytes:
    """Return a little-endian TIFF file: the header, the blocks, then the directory."""
    ends = np.cumsum([8, *map(len, pieces)])
    offsets, counts = (324, 325) if is_tiled else (273, 279)
    tags = tags | {
        offsets: (_LONG, tuple(ends[:-1])),
        counts: (_LONG, tuple(map(len, pieces))),
    }
    start = int(ends[-1]) + (int(ends[-1]) & 1)
    directory = struct.pack("<H", len(tags))
    extra, extra_at = b"", start + 2 + 12 * len(tags) + 4
    for code in sorted(tags):
        kind, count, value = _encode(*tags[code])
        if len(value) > 4:
            value, extra = struct.pack("<L", extra_at + len(extra)), extra + value
            extra += b"\0" * (len(extra) & 1)
        directory += struct.pack("<HHL", code, kind, count) + value.ljust(4, b"\0")
    body = b"".join([struct.pack("<2sHL", b"II", 42, start), *pieces])
    return body.ljust(start, b"\0") + directory + b"\0" * 4 + extra


def _encode(kind: int, value: Any) -> tuple[int, int, bytes]:  # noqa: ANN401 - any tag value
    if isinstance(value, bytes):
        return _UNDEFINED, len(value), value
    values = value if isinstance(value, tuple) else (value,)
    if kind == _RATIONAL:
        return kind, len(values) // 2, struct.pack(f"<{len(values)}L", *map(int, values))
    return kind, len(values), struct.pack(f"<{len(values)}{_SIZES[kind]}", *map(int, values))
