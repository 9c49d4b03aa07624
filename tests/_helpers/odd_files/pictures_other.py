"""Pictures in HEIF and AVIF, pictures that announce too much, and formats that are not read."""

import struct
from pathlib import Path

import numpy as np
from _helpers.odd_files.pictures_png import ALPHA, COLOUR
from PIL import Image

LARGE = np.asarray(Image.fromarray(COLOUR).resize((192, 144), Image.Resampling.BILINEAR))
"""(144, 192, 3): large enough for tiles."""


def make_tiled_heic(path: Path) -> None:
    """`LARGE`, stored in tiles and turned by the container and by EXIF, as phones do."""
    import pillow_heif

    turned = Image.fromarray(np.rot90(LARGE))  # 90 degrees to the left; orientation 6 turns it back
    exif = Image.Exif()
    exif[0x0112] = 6
    pillow_heif.from_pillow(turned).save(path, quality=95, tile_size=64, exif=exif.tobytes())


def make_10_bit_heic(path: Path) -> None:
    """`LARGE` in 10 bits."""
    import pillow_heif

    samples = (LARGE.astype(np.uint16) * 257).tobytes()
    pillow_heif.from_bytes("RGB;16", (192, 144), samples).save(path, quality=95)


def make_transparent_heic(path: Path) -> None:
    """`COLOUR` whose right half is transparent."""
    import pillow_heif

    alpha = np.where(np.arange(64) < 32, 255, 0) + np.zeros_like(ALPHA, dtype=int)
    image = Image.fromarray(np.dstack([COLOUR, alpha.astype(np.uint8)]))
    pillow_heif.from_pillow(image).save(path, quality=95)


def make_second_picture_primary(path: Path) -> None:
    """A black picture, then `COLOUR`, which is the primary one."""
    import pillow_heif

    file = pillow_heif.from_pillow(Image.new("RGB", (64, 48)))
    file.add_from_pillow(Image.fromarray(COLOUR))
    file.save(path, quality=95, primary_index=1)


def make_heic_head(path: Path) -> None:
    """Only the first bytes of a HEIC; enough to recognise it."""
    path.write_bytes(struct.pack(">L", 24) + b"ftypheic\0\0\0\0mif1heic" + b"\0" * 200)


def make_turned_avif(path: Path) -> None:
    """`LARGE`, turned by the container."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(LARGE)).save(path, "AVIF", quality=95, exif=exif.tobytes())


def make_gif_bomb(path: Path) -> None:
    """A small file that announces 4,295 megapixels."""
    path.write_bytes(b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\2\1\0\0;")


def make_webp_bomb(path: Path) -> None:
    """A small file that announces 268 megapixels."""
    canvas = b"VP8X\x0a\0\0\0\x10\0\0\0" + b"\xfe\x3f\0" * 2
    path.write_bytes(b"RIFF" + struct.pack("<L", 4 + len(canvas)) + b"WEBP" + canvas + b"\0" * 40)


def make_bmp_bomb(path: Path) -> None:
    """A small file that announces 4,295 megapixels."""
    header = struct.pack("<LLLHHLLLLLL", 40, 65535, 65535, 1, 24, 0, 0, 0, 0, 0, 0)
    path.write_bytes(b"BM" + struct.pack("<LHHL", 54, 0, 0, 54) + header + b"\0" * 64)


def make_portable_bomb(path: Path) -> None:
    """A small file that announces 4,295 megapixels."""
    path.write_bytes(b"P6\n65535 65535\n255\n" + b"\0" * 64)


UNREAD = {
    "jxl": (b"\xff\x0a" + b"\0" * 40, "JPEG XL"),
    "exr": (b"\x76\x2f\x31\x01" + b"\0" * 40, "OpenEXR"),
    "hdr": (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n", "Radiance HDR"),
    "psd": (b"8BPS\0\1" + b"\0" * 40, "Photoshop"),
    "svg": (b'<?xml version="1.0"?>\n<!-- a drawing -->\n<svg width="1"/>', "SVG"),
    "cr2": (b"II*\0\x10\0\0\0CR\2\0" + b"\0" * 40, "camera raw"),
    "cr3": (b"\0\0\0\x18ftypcrx " + b"\0" * 40, "camera raw"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
}
"""Suffix, content and name of formats that are recognised, but not read."""
