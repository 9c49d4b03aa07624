"""TIFF files of all kinds of samples, and TIFF files that are damaged or hostile."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from _helpers.odd_files.pictures_png import ALPHA, COLOUR, GREY
from numpy.typing import NDArray
from PIL import Image

SHARE = np.linspace(0, 1, 48 * 64).reshape(48, 64)
"""(48, 64) in [0, 1]."""


def make_float_with_nan(path: Path) -> None:
    """`SHARE` with one NaN, which is black."""
    _write(path, _with(SHARE.astype(np.float32), np.nan))


def make_float_with_infinity(path: Path) -> None:
    """`SHARE` with one infinite value, which is black."""
    _write(path, _with(SHARE.astype(np.float32), np.inf))


def make_float_above_one(path: Path) -> None:
    """`SHARE` with a value above 1, which is white."""
    _write(path, _with(SHARE.astype(np.float32), 1.02))


def make_float_of_255(path: Path) -> None:
    """`GREY` as floating-point numbers in [0, 255]."""
    _write(path, GREY.astype(np.float32))


def make_half_float(path: Path) -> None:
    """`SHARE` in 16 bits."""
    _write(path, SHARE.astype(np.float16))


def make_int32_of_255(path: Path) -> None:
    """`GREY` in 32 bits."""
    _write(path, GREY.astype(np.int32))


def make_int32_of_full_range(path: Path) -> None:
    """`SHARE` of the largest number of 32 bits."""
    _write(path, (SHARE * (2**31 - 1)).astype(np.int32))


def make_planar_16_bit(path: Path) -> None:
    """`COLOUR` in 16 bits, each channel in a plane of its own."""
    planes = np.moveaxis(COLOUR.astype(np.uint16) * 257, 2, 0)
    _write(path, planes, photometric="rgb", planarconfig="separate")


def make_tiled_big_endian_bigtiff(path: Path) -> None:
    """`COLOUR` in 16 bits in tiles that reach beyond its edges."""
    samples = COLOUR.astype(np.uint16) * 257
    options: dict[str, Any] = {"byteorder": ">", "bigtiff": True, "tile": (32, 48)}
    _write(path, samples, photometric="rgb", compression="zlib", predictor=True, **options)


def make_premultiplied_16_bit(path: Path) -> None:
    """`COLOUR` multiplied with `ALPHA`."""
    share = ALPHA[..., None] / 255
    samples = np.rint(np.dstack([COLOUR * share, ALPHA]) * 257).astype(np.uint16)
    _write(path, samples, photometric="rgb", extrasamples=["assocalpha"])


def make_extra_sample_that_is_no_alpha(path: Path) -> None:
    """`COLOUR` and a channel without a meaning."""
    samples = np.dstack([COLOUR, ALPHA]).astype(np.uint16) * 257
    _write(path, samples, photometric="rgb", extrasamples=["unspecified"])


def make_white_is_zero_16_bit(path: Path) -> None:
    """`GREY`, inverted as scanners and fax machines do."""
    _write(path, 65535 - GREY.astype(np.uint16) * 257, photometric="miniswhite")


def make_12_bit(path: Path) -> None:
    """`SHARE` in packed samples of 12 bits."""
    values = np.rint(SHARE * 4095).astype(np.uint16)
    bits = (values[..., None] >> np.arange(11, -1, -1)) & 1
    _write_raw(path, np.packbits(bits.reshape(48, -1), axis=1).tobytes(), {258: (3, 12)})


def make_lab_8_bit(path: Path) -> None:
    """`COLOUR` without a profile, in the CIE Lab of TIFF."""
    Image.fromarray(lab_of(COLOUR), "LAB").save(path)


def make_float_predictor(path: Path) -> None:
    """`SHARE` compressed with LZW and the predictor of floating-point numbers."""
    image = Image.fromarray(SHARE.astype(np.float32))
    image.save(path, compression="tiff_lzw", tiffinfo={317: 3})


def make_wild_tags(path: Path) -> None:
    """`GREY` with tags that point outside the file."""
    tags = dict.fromkeys((270, 305, 306, 315, 33432), (2, 10**6)) | {
        34665: (4, 2**31),
        700: (7, 9**9),
    }
    _write_raw(path, GREY.tobytes(), {258: (3, 8), **tags}, lost=set(tags))


def make_camera_raw(path: Path) -> None:
    """A thumbnail in front of the data of a sensor, as in DNG."""
    _write_raw(path, GREY.tobytes(), {258: (3, 8), 254: (4, 1), 50706: (1, 0x0104)})


def make_thumbnail_first(path: Path) -> None:
    """A thumbnail, then `COLOUR`."""
    with tifffile.TiffWriter(path) as writer:
        writer.write(COLOUR[::4, ::4], photometric="rgb", subfiletype=1)
        writer.write(COLOUR, photometric="rgb")


def make_truncated_tiff(path: Path) -> None:
    """A picture that ends early."""
    Image.fromarray(COLOUR).save(path, compression="tiff_lzw")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])


def make_tiff_bomb(path: Path) -> None:
    """A small file that announces 4,295 megapixels."""
    _write_raw(path, b"\0" * 64, {256: (4, 65535), 257: (4, 65535), 278: (4, 65535), 258: (3, 8)})


def lab_of(colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return colours in the 8-bit Lab of Pillow, by LittleCMS."""
    from PIL import ImageCms

    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    transform = ImageCms.buildTransform(*profiles, "RGB", "LAB")
    return np.asarray(ImageCms.applyTransform(Image.fromarray(colour), transform))


def _with(values: NDArray[np.float32], first: float) -> NDArray[np.float32]:
    values[0, 0] = first
    return values


def _write(path: Path, samples: NDArray[Any], **options: Any) -> None:  # noqa: ANN401 - tifffile's
    tifffile.imwrite(path, samples, **({"photometric": "minisblack"} | options))


def _write_raw(
    path: Path, data: bytes, tags: dict[int, tuple[int, int]], lost: set[int] | None = None
) -> None:
    """Write a grey TIFF of one strip; the values of `lost` tags lie outside the file."""
    tags = {
        256: (4, 64),
        257: (4, 48),
        259: (3, 1),
        262: (3, 1),
        273: (4, 8),
        277: (3, 1),
        278: (4, 48),
        279: (4, len(data)),
    } | tags
    start = 8 + len(data)
    body = struct.pack("<2sHL", b"II", 42, start) + data + struct.pack("<H", len(tags))
    for code in sorted(tags):
        kind, value = tags[code]
        count, field = (value, 2**31) if code in (lost or ()) else (1, value)
        body += struct.pack("<HHLL", code, kind, min(count, 2**32 - 1), field)
    path.write_bytes(body + b"\0" * 4)
