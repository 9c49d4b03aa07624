"""How a page of a TIFF file stores its pixels."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import tifffile

_BYTE_CODECS = {1, 5, 8, 32773, 32946, 34925, 50000}
"""Codecs of bytes: none, LZW, Deflate, PackBits, Deflate (old), LZMA and Zstandard."""
_PICTURE_CODECS = {2, 3, 4, 7, 32809, 50001}
"""Codecs of pictures: CCITT, JPEG, ThunderScan and WebP."""
_GREY, _RGB, _PALETTE, _MASK, _INKS, _YCBCR, _CIELAB, _ICCLAB = 1, 2, 3, 4, 5, 6, 8, 9
_COLOURS = {
    0: 1,
    _GREY: 1,
    _RGB: 3,
    _PALETTE: 1,
    _MASK: 1,
    _INKS: 4,
    _YCBCR: 3,
    _CIELAB: 3,
    _ICCLAB: 3,
}
_STRIP_BYTES = 1 << 20
_FLOAT_BITS, _INTEGER_BITS = (16, 32, 64), (8, 16, 32, 64)
_ICC_PROFILE, _ORIENTATION, _INK_SET, _CMYK = 34675, 274, 332, 1
_ASSOCIATED, _UNASSOCIATED = 1, 2
_COPIED_TAGS = (292, 293, 347, 529, 530, 531, 532)
"""Options of CCITT, tables of JPEG, and the coefficients of YCbCr."""


class UnreadLayoutError(Exception):
    """A page stores its pixels in a way that is not read; the message completes "is a TIFF ..."."""


@dataclass(frozen=True)
class Layout:
    """How a page stores its pixels.

    Args:
        size: width and height.
        samples: samples per pixel.
        bits: bits per sample.
        dtype: type of a sample in memory, in native byte order.
        byte_order: ``<`` or ``>``.
        photometric: code of the colour space.
        compression: code of the codec.
        predictor: 1 for none, 2 for differences, 3 for floating-point numbers.
        fill_order: 2 if the bits of each byte are reversed.
        planar: whether each sample has a plane of its own.
        alpha: number of the sample that holds transparency, None without.
        premultiplied: whether colours were multiplied with transparency.
        block: width and height of a strip or tile.
        is_tiled: whether blocks are tiles.
        offsets: positions of the blocks in the file.
        counts: lengths of the blocks in the file.
        palette: (3, 2**bits) colours of a palette.
        tags: other tags that the codec needs: type, count and value.
        profile: ICC profile.
        orientation: orientation of the page, 1 to 8.
    """

    size: tuple[int, int]
    samples: int
    bits: int
    dtype: np.dtype[Any]
    byte_order: Literal["<", ">"]
    photometric: int
    compression: int
    predictor: int
    fill_order: int
    planar: bool
    alpha: int | None
    premultiplied: bool
    block: tuple[int, int]
    is_tiled: bool
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    palette: np.ndarray | None
    tags: dict[int, tuple[int, Any]]
    profile: bytes | None
    orientation: int

    @property
    def colours(self) -> int:
        """Number of samples that are colours."""
        return _COLOURS[self.photometric]

    @property
    def samples_per_block(self) -> int:
        """Number of samples of a pixel that are next to each other."""
        return 1 if self.planar else self.samples

    @property
    def bytes_per_block_row(self) -> int:
        """Length of a row of a strip or tile without compression."""
        return -(-self.block[0] * self.samples_per_block * self.bits // 8)

    @property
    def is_decoded_by_pillow(self) -> bool:
        """Whether Pillow decodes the colours too, not only the bytes."""
        return self.compression in _PICTURE_CODECS or self.photometric == _YCBCR

    @property
    def white(self) -> float:
        """Sample value of white for types whose range is not measured."""
        return float(2 ** (self.bits - (self.dtype.kind == "i")) - 1)


def in_short_strips(layout: Layout) -> Layout:
    """Divide long strips without compression, so that few rows can be read at a time."""
    rows = max(1, _STRIP_BYTES // layout.bytes_per_block_row)
    whole, height = layout.block[1], layout.size[1]
    if layout.compression != 1 or layout.is_tiled or rows >= whole or whole < height:
        return layout
    if layout.is_decoded_by_pillow or any(
        count < layout.bytes_per_block_row * height for count in layout.counts
    ):
        return layout
    lengths = [
        min(rows, height - top) * layout.bytes_per_block_row for top in range(0, height, rows)
    ]
    starts = [top * layout.bytes_per_block_row for top in range(0, height, rows)]
    return replace(
        layout,
        block=(layout.block[0], rows),
        offsets=tuple(offset + start for offset in layout.offsets for start in starts),
        counts=tuple(lengths) * len(layout.offsets),
    )


def layout_of(page: tifffile.TiffPage) -> Layout:
    """Describe how a page stores its pixels.

    Raises:
        UnreadLayoutError: it does so in a way that is not read.
    """
    photometric, samples = int(page.photometric), int(page.samplesperpixel)
    _check_colours(page, photometric, samples)
    bits = _common_bits(page)
    alpha, premultiplied = _alpha(page, photometric, samples)
    width, height = page.imagewidth, page.imagelength
    rows = min(int(page.rowsperstrip or height), height)
    block = (page.tilewidth, page.tilelength) if page.is_tiled else (width, max(rows, 1))
    colormap = page.colormap if photometric == _PALETTE else None
    profile = page.tags.valueof(_ICC_PROFILE)
    orientation = page.tags.valueof(_ORIENTATION, default=1)
    return Layout(
        size=(width, height),
        samples=samples,
        bits=bits,
        dtype=_dtype(int(page.sampleformat or 1), bits),
        byte_order=page.parent.byteorder,
        photometric=photometric,
        compression=_compression(int(page.compression)),
        predictor=int(page.predictor),
        fill_order=int(page.fillorder),
        planar=page.planarconfig == 2 and samples > 1,
        alpha=alpha,
        premultiplied=premultiplied,
        block=block,
        is_tiled=page.is_tiled,
        offsets=tuple(page.dataoffsets),
        counts=tuple(page.databytecounts),
        palette=None if colormap is None else np.asarray(colormap),
        tags={
            tag.code: (int(tag.dtype), tag.value) for tag in page.tags if tag.code in _COPIED_TAGS
        },
        profile=profile if isinstance(profile, bytes) else None,
        orientation=orientation if orientation in range(1, 9) else 1,
    )


def _check_colours(page: tifffile.TiffPage, photometric: int, samples: int) -> None:
    if photometric not in _COLOURS:
        raise UnreadLayoutError(f"of the colour space {photometric}")
    if samples < _COLOURS[photometric] or samples > 16:
        raise UnreadLayoutError(f"of {samples} channels, which are too few or too many")
    if photometric == _INKS and page.tags.valueof(_INK_SET, default=_CMYK) != _CMYK:
        raise UnreadLayoutError("of inks other than CMYK")
    extras = page.extrasamples
    if photometric <= _GREY and samples > 2 and not any(extra in (1, 2) for extra in extras):
        raise UnreadLayoutError(f"of {samples} channels that are not marked as colours")


def _common_bits(page: tifffile.TiffPage) -> int:
    bits = page.tags.valueof(258, default=1)
    values = set(bits) if isinstance(bits, tuple) else {bits}
    if len(values) != 1:
        raise UnreadLayoutError("whose channels differ in bits")
    return int(values.pop())


def _alpha(page: tifffile.TiffPage, photometric: int, samples: int) -> tuple[int | None, bool]:
    extras, first = page.extrasamples, _COLOURS[photometric]
    if photometric == _RGB and samples == 4 and not extras:
        return first, False  # some programs omit the tag
    if samples > first and extras and extras[0] in (_ASSOCIATED, _UNASSOCIATED):
        return first, extras[0] == _ASSOCIATED
    return None, False


def _dtype(sample_format: int, bits: int) -> np.dtype[Any]:
    if sample_format == 3 and bits in _FLOAT_BITS:
        return np.dtype(f"f{bits // 8}")
    if sample_format == 2 and bits in _INTEGER_BITS:
        return np.dtype(f"i{bits // 8}")
    if sample_format in (1, 4) and (1 <= bits <= 32 or bits == 64):
        return np.dtype(f"u{next(size for size in (1, 2, 4, 8) if size * 8 >= bits)}")
    raise UnreadLayoutError(f"of {bits} bits a sample in the sample format {sample_format}")


def _compression(code: int) -> int:
    code = 8 if code == 50013 else code
    if code not in _BYTE_CODECS | _PICTURE_CODECS:
        raise UnreadLayoutError(f"with the compression {code}")
    return code
