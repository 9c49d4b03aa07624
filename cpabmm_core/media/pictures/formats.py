"""Recognition of picture formats by content. The list is closed."""

import re

from cpabmm_core.media.pictures.heif_brand import heif_brand

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"II\x2a\0", "TIFF"),
    (b"MM\0\x2a", "TIFF"),
    (b"II\x2b\0", "TIFF"),
    (b"MM\0\x2b", "TIFF"),
)
_NOT_READ = (
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"#?RGBE", "Radiance HDR"),
    (b"8BPS", "Photoshop"),
    (b"gimp xcf", "GIMP"),
    (b"FUJIFILMCCD-RAW", "camera raw"),
    (b"IIRO", "camera raw"),
    (b"IIRS", "camera raw"),
    (b"MMOR", "camera raw"),
    (b"IIU\0", "camera raw"),
    (b"FOVb", "camera raw"),
    (b"II\xbc\x01", "JPEG XR"),
    (b"DDS ", "DirectDraw surface"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"%PDF", "PDF"),
    (b"\0\0\x01\0", "Windows icon"),
)
_CAMERA_RAW_BRANDS = (b"crx ",)
_PORTABLE = re.compile(
    rb"P([1-6]|[fF])\s(\s|#[^\r\n]*[\r\n])*[0-9]+\s(\s|#[^\r\n]*[\r\n])*[0-9]+\s"
)
_SVG = re.compile(
    rb"\s*(<\?xml[^>]*>\s*|<!--.*?-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg[\s>]", re.DOTALL
)
_BITMAP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}
JPEG_JUNK = b"\0\t\n\r "
"""Bytes that some servers and tools put before a JPEG."""


def picture_format(head: bytes) -> str | None:
    """Return the format of a picture that can be read, by its name in Pillow.

    Args:
        head: the first bytes of the file; 512 are enough.

    Returns:
        PNG, JPEG, WEBP, BMP, TIFF, GIF, AVIF, HEIF, JPEG2000, PPM, TGA, or None.

    Example:
        >>> picture_format(b"GIF89a"), picture_format(b"RIFF....AVI LIST")
        ('GIF', None)
    """
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if brand := heif_brand(head):
        return brand.upper()
    checks = {
        "JPEG": head.lstrip(JPEG_JUNK).startswith(b"\xff\xd8\xff"),
        "WEBP": head[:4] == b"RIFF" and head[8:12] == b"WEBP",
        "BMP": head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BITMAP_HEADERS,
        "PPM": _PORTABLE.match(head) is not None,
        "TGA": _is_targa(head),
    }
    return next((name for name, matches in checks.items() if matches), None)


def unread_format(head: bytes) -> str | None:
    """Return the name of a picture format that is recognised, but not read."""
    for magic, name in _NOT_READ:
        if head.startswith(magic):
            return name
    if head[4:12] in [b"ftyp" + brand for brand in _CAMERA_RAW_BRANDS]:
        return "camera raw"
    if head[:4] in (b"II\x2a\0", b"MM\0\x2a") and head[8:10] == b"CR":
        return "camera raw"
    return "SVG" if _SVG.match(head.removeprefix(b"\xef\xbb\xbf")) else None


def is_picture(head: bytes) -> bool:
    """Return whether the first bytes of a file are those of a picture, read or not, even damaged.

    Example:
        >>> is_picture(b"8BPS"), is_picture(b"#EXTM3U")
        (True, False)
    """
    return picture_format(head) is not None or unread_format(head) is not None


def _is_targa(head: bytes) -> bool:
    """Targa has no magic number, so its header must make sense as a whole."""
    if len(head) < 18:
        return False
    has_map, kind, map_bits, depth, flags = head[1], head[2], head[7], head[16], head[17]
    width, height = head[12] | head[13] << 8, head[14] | head[15] << 8
    if not width or not height or flags & 0xC0:
        return False
    if kind in (1, 9):
        return has_map == 1 and map_bits in (15, 16, 24, 32) and depth in (8, 16)
    if has_map or any(head[3:8]):
        return False
    depths = {2: (15, 16, 24, 32), 10: (15, 16, 24, 32), 3: (1, 8, 16), 11: (1, 8, 16)}
    return depth in depths.get(kind, ())
