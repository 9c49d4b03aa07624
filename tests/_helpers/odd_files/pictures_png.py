"""PNG files as programs write them, and PNG files that are damaged or hostile."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Chunks = list[tuple[bytes, bytes]]
Make = Callable[[Path], None]
"""Writes an odd file."""

Y, X = np.mgrid[0:48, 0:64]
COLOUR = np.dstack([X * 4, Y * 5, 252 - X * 4]).astype(np.uint8)
"""(48, 64, 3): a smooth picture of many colours."""
GREY = COLOUR[..., 0]
ALPHA = (Y * 5).astype(np.uint8)
KEY_16 = 0x1234
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk with a right check sum."""
    return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))


def png(
    rows: NDArray[np.uint8],  # (H, bytes per row)
    width: int,
    bits: int,
    colour: int,
    before: Chunks | None = None,
    after: bytes = b"",
) -> bytes:
    """Return a PNG file of unfiltered rows."""
    header = struct.pack(">LLBBBBB", width, len(rows), bits, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows), 6)
    parts = [(b"IHDR", header), *(before or []), (b"IDAT", data)]
    return _SIGNATURE + b"".join(chunk(*part) for part in parts) + after + chunk(b"IEND", b"")


def colour_png(before: Chunks | None = None, after: bytes = b"") -> bytes:
    """Return `COLOUR` as a PNG file with other chunks before and after its pixels."""
    return png(COLOUR.reshape(48, -1), 64, 8, 2, before, after)


def deep_rows(samples: NDArray[np.unsignedinteger]) -> NDArray[np.uint8]:
    """Return rows of samples of 16 bits as bytes."""
    return samples.astype(">u2").reshape(len(samples), -1).view(np.uint8)


def make_16_bit_rgb(path: Path) -> None:
    """Reads as `COLOUR`, whose lower bytes carry no information here."""
    path.write_bytes(png(deep_rows(COLOUR.astype(np.uint16) * 257), 64, 16, 2))


def make_16_bit_grey_with_transparent_grey(path: Path) -> None:
    """The upper half has the transparent grey, so it reads as white."""
    values = GREY.astype(np.uint16) * 257
    values[:24] = KEY_16
    path.write_bytes(png(deep_rows(values), 64, 16, 0, [(b"tRNS", struct.pack(">H", KEY_16))]))


def make_16_bit_rgb_with_transparent_colour(path: Path) -> None:
    """The upper half differs from the transparent colour in the lowest bits only."""
    values = np.full((48, 64, 3), KEY_16, dtype=np.uint16)
    values[:24] += 1
    key = struct.pack(">HHH", KEY_16, KEY_16, KEY_16)
    path.write_bytes(png(deep_rows(values), 64, 16, 2, [(b"tRNS", key)]))


def make_2_bit_grey_with_transparent_grey(path: Path) -> None:
    """Columns of the levels 0, 1, 2 and 3, of which 1 is transparent."""
    rows = np.full((48, 16), 0b00011011, dtype=np.uint8)
    path.write_bytes(png(rows, 64, 2, 0, [(b"tRNS", struct.pack(">H", 1))]))


def make_heavy_text(path: Path) -> None:
    """A workflow of 100 MB in compressed text, as user interfaces for generated pictures write."""
    text = zlib.compress(b"x" * (2 << 20), 9)
    packed = [(b"zTXt", b"workflow\0\0" + text)] * 50
    packed += [(b"iTXt", b"prompt\0\1\0\0\0" + text), (b"tEXt", b"a\0" + b"y" * (3 << 20))]
    path.write_bytes(colour_png(packed, chunk(b"zTXt", b"last\0\0" + text)))


def make_malformed_metadata(path: Path) -> None:
    """Every kind of metadata, each too short, of an unknown method, or with a wrong check sum."""
    wrong = [
        (b"pHYs", b"\0\0"),
        (b"gAMA", b"\0"),
        (b"cHRM", b"\0" * 5),
        (b"sRGB", b""),
        (b"iCCP", b"name\0\7garbage"),
        (b"sBIT", b""),
        (b"tIME", b"\xff"),
        (b"eXIf", b"II*\0\xff\xff\xff\xff"),
        (b"zTXt", b"key\0\x05garbage"),
        (b"acTL", b"\0" * 8),
        (b"acTL", b"\0"),
        (b"fcTL", b"\xff" * 26),
        (b"tRNS", b"\0"),
        (b"hIST", b"\0"),
        (b"cICP", b"\1"),
    ]
    bad_sum = chunk(b"tEXt", b"a\0b")[:-4] + b"\0\0\0\0"
    data = colour_png(wrong, bad_sum)
    path.write_bytes(data + b"trailing bytes" * 100)


def make_gamma_and_primaries(path: Path) -> None:
    """Reads as stored."""
    path.write_bytes(
        colour_png([(b"gAMA", struct.pack(">L", 100000)), (b"cHRM", struct.pack(">8L", *range(8)))])
    )


def make_wrong_check_sum(path: Path) -> None:
    """A picture whose data are damaged."""
    data = bytearray(colour_png())
    data[-20] ^= 0xFF
    path.write_bytes(data)


def make_truncated(path: Path) -> None:
    """A picture that ends early."""
    data = colour_png()
    path.write_bytes(data[: len(data) * 2 // 3])


def make_bomb(path: Path) -> None:
    """A small file that announces 4,295 megapixels."""
    header = struct.pack(">LLBBBBB", 65535, 65535, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    path.write_bytes(_SIGNATURE + parts)
