"""Tiny pictures whose headers announce huge things."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

_MOST = 2**31 - 1
_WIDE = 65535


def make_png(path: Path, width: int = _MOST, height: int = _MOST) -> None:
    """Write a PNG that announces a size; its pixels are missing."""
    path.write_bytes(_png(width, height, []))


def make_wide_png(path: Path) -> None:
    """Write a PNG of 65535 x 65535."""
    make_png(path, _WIDE, _WIDE)


def make_png_of_many_frames(path: Path) -> None:
    """Write an animated PNG that announces a million frames and holds one."""
    path.write_bytes(_png(4, 4, [(b"acTL", struct.pack(">II", 10**6, 0))]))


def make_png_with_large_text(path: Path) -> None:
    """Write a PNG of 4 x 4 with 1 GB of compressed text."""
    path.write_bytes(_png(4, 4, [(b"zTXt", b"Comment\0\0" + _zeros(2**30))]))


def make_png_with_large_profile(path: Path) -> None:
    """Write a PNG of 4 x 4 with a compressed colour profile of 1 GB."""
    path.write_bytes(_png(4, 4, [(b"iCCP", b"icc\0\0" + _zeros(2**30))]))


def make_png_of_zeros(path: Path) -> None:
    """Write a PNG of 40000 x 40000 whose pixels are present, in 200 kB."""
    rows = _zeros(40000 * 5001)  # 1 bit per pixel, and the filter of each row
    header = struct.pack(">IIBBBBB", 40000, 40000, 1, 0, 0, 0, 0)
    path.write_bytes(_signed([(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")]))


def make_gif(path: Path) -> None:
    """Write a GIF of 65535 x 65535 with a frame of that size."""
    path.write_bytes(_gif(_WIDE, _WIDE, _gif_frame(_WIDE, _WIDE)))


def make_gif_canvas(path: Path) -> None:
    """Write a GIF of 65535 x 65535 with a frame of 1 x 1."""
    path.write_bytes(_gif(_WIDE, _WIDE, _gif_frame(1, 1)))


def make_gif_of_many_frames(path: Path) -> None:
    """Write a GIF of a million frames of 1 x 1."""
    path.write_bytes(_gif(1, 1, _gif_frame(1, 1) * 10**6))


def make_bmp(path: Path) -> None:
    """Write a BMP of 2^31 - 1 by 2^31 - 1."""
    head = struct.pack("<IiiHHIIiiII", 40, _MOST, _MOST, 1, 24, 0, 0, 0, 0, 0, 0)
    path.write_bytes(b"BM" + struct.pack("<IHHI", 100, 0, 0, 54) + head + bytes(46))


def make_tga(path: Path) -> None:
    """Write a TGA of 65535 x 65535."""
    path.write_bytes(
        struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, _WIDE, _WIDE, 24, 32) + bytes(9)
    )


def make_ppm(path: Path) -> None:
    """Write a PPM of 10^9 by 10^9."""
    path.write_bytes(b"P6 1000000000 1000000000 255\n" + bytes(9))


def make_long_ppm(path: Path) -> None:
    """Write a PPM whose width is a number of 5000 digits."""
    path.write_bytes(b"P6 " + b"9" * 5000 + b" 1 255\n" + bytes(9))


def make_webp(path: Path) -> None:
    """Write a WebP with a canvas of 2^24 by 2^24."""
    body = struct.pack("<I", 0) + b"\xff\xff\xff" * 2
    chunk = b"VP8X" + struct.pack("<I", len(body)) + body
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk)


def make_jpeg(path: Path) -> None:
    """Write a JPEG of 65500 x 65500 from one of 8 x 8."""
    _patched(path, "JPEG", b"\xff\xc0", 5, struct.pack(">HH", 65500, 65500))


def make_jp2(path: Path) -> None:
    """Write a JPEG 2000 of 2^32 - 1 by 2^32 - 1 from one of 8 x 8."""
    _patched(path, "JPEG2000", b"\xff\x51", 6, struct.pack(">II", 2**32 - 1, 2**32 - 1))


def make_avif(path: Path) -> None:
    """Write an AVIF whose container announces 65535 x 65535."""
    _patched(path, "AVIF", b"ispe", 8, struct.pack(">II", _WIDE, _WIDE))


def make_tiff(path: Path) -> None:
    """Write a TIFF of 2^31 - 1 by 2^31 - 1 in one strip."""
    path.write_bytes(tiff(_MOST, _MOST, 1))


def make_tiff_of_many_strips(path: Path) -> None:
    """Write a TIFF of 8 x 8 that announces 2^32 - 1 strips."""
    path.write_bytes(tiff(8, 8, 2**32 - 1))


def make_tiff_of_many_samples(path: Path) -> None:
    """Write a TIFF of 8 x 8 with 65535 samples per pixel."""
    path.write_bytes(tiff(8, 8, 1, [(277, 3, 1, 65535)]))


def make_tiff_loop(path: Path) -> None:
    """Write a TIFF whose only directory names itself as the next one."""
    path.write_bytes(tiff(8, 8, 1, following=8))


def make_tiff_of_deep_pages(path: Path) -> None:
    """Write a TIFF of 20000 pages that all show the same 8 x 8 pixels."""
    step = len(tiff(8, 8, 1)) - 8 - 64
    pages = [
        tiff(8, 8, 1, following=8 + step * (i + 1), at=8 + step * i)[8:-64] for i in range(20000)
    ]
    path.write_bytes(tiff(8, 8, 1)[:8] + b"".join(pages))


HOSTILE_PICTURES: dict[str, Callable[[Path], None]] = {
    "size.png": make_png,
    "wide.png": make_wide_png,
    "zeros.png": make_png_of_zeros,
    "size.gif": make_gif,
    "canvas.gif": make_gif_canvas,
    "size.bmp": make_bmp,
    "size.tga": make_tga,
    "size.ppm": make_ppm,
    "digits.ppm": make_long_ppm,
    "size.webp": make_webp,
    "size.jpg": make_jpeg,
    "size.jp2": make_jp2,
    "size.tif": make_tiff,
    "strips.tif": make_tiff_of_many_strips,
    "samples.tif": make_tiff_of_many_samples,
}
"""Makers of pictures that cannot be read, by file name."""

HEAVY_PICTURES: dict[str, Callable[[Path], None]] = {
    "frames.png": make_png_of_many_frames,
    "text.png": make_png_with_large_text,
    "profile.png": make_png_with_large_profile,
    "frames.gif": make_gif_of_many_frames,
    "size.avif": make_avif,
    "loop.tif": make_tiff_loop,
    "pages.tif": make_tiff_of_deep_pages,
}
"""Makers of pictures whose first picture can be read despite the header, by file name."""


def _zeros(count: int) -> bytes:
    packer = zlib.compressobj(9)
    piece = bytes(2**20)
    whole, rest = divmod(count, len(piece))
    packed = [packer.compress(piece) for _ in range(whole)]
    return b"".join([*packed, packer.compress(bytes(rest)), packer.flush()])


def _png(width: int, height: int, extra: list[tuple[bytes, bytes]]) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(4 * (1 + 3 * 4)))
    return _signed([(b"IHDR", header), *extra, (b"IDAT", rows), (b"IEND", b"")])


def _signed(chunks: list[tuple[bytes, bytes]]) -> bytes:
    out = b"\x89PNG\r\n\x1a\n"
    for name, body in chunks:
        out += struct.pack(">I", len(body)) + name + body
        out += struct.pack(">I", zlib.crc32(name + body))
    return out


def _gif(width: int, height: int, frames: bytes) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + frames + b";"


def _gif_frame(width: int, height: int) -> bytes:
    return b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00"


def _patched(path: Path, form: str, mark: bytes, distance: int, value: bytes) -> None:
    Image.new("RGB", (8, 8)).save(path, form)
    data = bytearray(path.read_bytes())
    at = data.index(mark) + distance
    data[at : at + len(value)] = value
    path.write_bytes(data)


def tiff(
    width: int,
    height: int,
    strips: int,
    extra: list[tuple[int, int, int, int]] | None = None,
    *,
    following: int = 0,
    at: int = 8,
) -> bytes:
    """Return an 8-bit grey TIFF; a directory at `at` is followed by 64 bytes of pixels."""
    entries = {
        256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1),
        273: (4, strips, 8), 277: (3, 1, 1), 278: (4, 1, height), 279: (4, strips, 64),
    }  # fmt: skip
    entries |= {tag: (kind, count, value) for tag, kind, count, value in extra or []}
    directory = struct.pack("<H", len(entries))
    for tag, (kind, count, value) in sorted(entries.items()):
        directory += struct.pack("<HHII", tag, kind, count, value)
    return (
        struct.pack("<2sHI", b"II", 42, at) + directory + struct.pack("<I", following) + bytes(64)
    )
