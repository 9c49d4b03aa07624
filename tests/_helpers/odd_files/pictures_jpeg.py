"""JPEG files as cameras, phones and servers write them, and damaged ones."""

import io
import struct
from pathlib import Path

from _helpers.odd_files.pictures_png import COLOUR
from PIL import Image

EXIF_UPSIDE_DOWN = b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\3\0\0\0\0\0\0"


def jpeg(**options: object) -> bytes:
    """Return `COLOUR` as a JPEG file of high quality."""
    data = io.BytesIO()
    Image.fromarray(COLOUR).save(data, "JPEG", quality=98, subsampling=0, **options)
    return data.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    """Return a JPEG segment."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def exif_of_adobe_rgb() -> bytes:
    """Return EXIF of a camera that was set to Adobe RGB, as DCF prescribes."""
    main = b"MM\0*\0\0\0\x08\0\1" + struct.pack(">HHLL", 0x8769, 4, 1, 26) + b"\0" * 4
    details = struct.pack(">H", 1) + struct.pack(">HHLL", 0xA005, 4, 1, 44) + b"\0" * 4
    interop = struct.pack(">H", 1) + struct.pack(">HHL4s", 1, 2, 4, b"R03\0") + b"\0" * 4
    return b"Exif\0\0" + main + details + interop


def with_segments(*segments: bytes) -> bytes:
    """Return `COLOUR` as a JPEG file with more segments at its start."""
    return jpeg()[:2] + b"".join(segments) + jpeg()[2:]


def make_adobe_rgb_by_exif(path: Path) -> None:
    """A picture in Adobe RGB that says so in EXIF only."""
    path.write_bytes(with_segments(segment(0xE1, exif_of_adobe_rgb())))


def make_malformed_exif(path: Path) -> None:
    """EXIF that points outside itself, then other metadata without a meaning."""
    wild = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x03\0\xff\xff\xff\xff" * 4
    others = [
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x"),
        segment(0xED, b"Photoshop 3.0\0?"),
    ]
    icc = segment(0xE2, b"ICC_PROFILE\0\1\2not a profile")
    path.write_bytes(with_segments(segment(0xE1, wild), *others, icc))


def make_junk_around(path: Path) -> None:
    """Line ends before the picture, and a video behind it, as in a motion photo."""
    path.write_bytes(b"\r\n\r\n" + jpeg() + b"\0\0\0\x18ftypmp42" + b"video" * 1000)


def make_no_end_marker(path: Path) -> None:
    """A complete picture without its last two bytes."""
    path.write_bytes(jpeg()[:-2])


def make_two_pictures(path: Path) -> None:
    """A multi-picture file: `COLOUR`, then a black picture."""
    Image.fromarray(COLOUR).save(
        path,
        "MPO",
        save_all=True,
        append_images=[Image.new("RGB", (64, 48))],
        quality=98,
        subsampling=0,
    )


def make_malformed_multi_picture(path: Path) -> None:
    """A multi-picture index without an end."""
    path.write_bytes(with_segments(segment(0xE2, b"MPF\0II*\0\x08\0\0\0\xff\xff\0\0")))


def make_upside_down(path: Path) -> None:
    """`COLOUR`, turned by 180 degrees with EXIF."""
    path.write_bytes(with_segments(segment(0xE1, EXIF_UPSIDE_DOWN)))


def make_truncated_jpeg(path: Path) -> None:
    """A picture that ends early."""
    data = jpeg()
    path.write_bytes(data[: len(data) * 2 // 3])


def make_truncated_progressive(path: Path) -> None:
    """A progressive picture that ends early."""
    data = jpeg(progressive=True)
    path.write_bytes(data[: len(data) * 2 // 3])


def make_jpeg_bomb(path: Path) -> None:
    """A small file that announces 4,295 megapixels."""
    data = bytearray(jpeg())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
