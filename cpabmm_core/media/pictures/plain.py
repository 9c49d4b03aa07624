"""Decoding of the formats that Pillow reads right as a whole.

The classes of Pillow are used directly. `Image.open` would warn about large pictures, which
`limits` decides about, and would try other formats.
"""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile, features
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TgaImagePlugin import TgaImageFile
from PIL.WebPImagePlugin import WebPImageFile

from cpabmm_core.errors import MediaError
from cpabmm_core.media.pictures.box_colour import find_coded_colour
from cpabmm_core.media.pictures.coded_colour import colour_managed
from cpabmm_core.media.pictures.exif import read_exif
from cpabmm_core.media.pictures.limits import check_size, reduced, reduction
from cpabmm_core.media.pictures.picture import Picture
from cpabmm_core.media.pictures.quiet import quiet
from cpabmm_core.media.pictures.samples import to_8_bits, to_unit_range

_PLUGINS: dict[str, Callable[..., ImageFile.ImageFile]] = {
    "AVIF": AvifImageFile,
    "BMP": BmpImageFile,
    "GIF": GifImageFile,
    "JPEG2000": Jpeg2KImageFile,
    "PPM": PpmImageFile,
    "TGA": TgaImageFile,
    "WEBP": WebPImageFile,
}
_OPTIONAL = {"AVIF": "avif", "JPEG2000": "jpg_2000", "WEBP": "webp"}
"""Formats that Pillow can be built without, and their names in `PIL.features`."""
_MASK_14, _WHITE_OF_I = 0x3FFF, 65535


def read_plain(path: Path, kind: str, head: bytes) -> Picture:
    """Decode a picture of one of these formats; an animation gives its first frame.

    Args:
        path: the file.
        kind: name of the format in Pillow.
        head: the first bytes of the file.

    Raises:
        MediaError: the picture is too large, or Pillow was built without the format.
        Exception: whatever Pillow raises for a damaged file.
    """
    if kind in _OPTIONAL and not features.check(_OPTIONAL[kind]):
        raise MediaError(
            f"{path}: is a {kind} picture, which the installed Pillow does not decode; update "
            "Pillow, or convert the picture to PNG"
        )
    announced = announced_size(kind, head)
    if announced is not None:  # these decoders allocate memory when they open a file
        check_size(path, announced, kind)
    with quiet(), path.open("rb") as file:
        image = _PLUGINS[kind](file)
        check_size(path, image.size, kind)
        stored = image.size
        if isinstance(image, Jpeg2KImageFile) and reduction(stored) > 1:
            image = _opened_reduced(file, reduction(stored))
        image.load()
        pixels = _in_8_bits(image)
        profile, exif = image.info.get("icc_profile"), read_exif(image.info.get("exif"))
    if kind == "AVIF" and not profile:
        coded = find_coded_colour(path)
        if coded is not None and coded.is_hdr:
            pixels = Image.fromarray(colour_managed(np.asarray(pixels), coded))
        profile = coded.profile if coded is not None else None
    pixels = reduced(pixels, reduction(pixels.size))
    return Picture(pixels, profile, exif.orientation, stored)


def _opened_reduced(file: BinaryIO, factor: int) -> ImageFile.ImageFile:
    """Decode fewer levels of a JPEG 2000; all of them if it has too few."""
    file.seek(0)
    image = Jpeg2KImageFile(file)
    try:
        image.reduce = factor.bit_length() - 1
        image.load()
    except OSError:
        file.seek(0)
        return Jpeg2KImageFile(file)
    return image


def announced_size(kind: str, head: bytes) -> tuple[int, int] | None:
    """Return the size in the header of a GIF or WebP, or None for another format."""
    if kind == "GIF":
        return _little(head, 6, 2), _little(head, 8, 2)
    if kind != "WEBP":
        return None
    chunk = head[12:16]
    if chunk == b"VP8X":
        return _little(head, 24, 3) + 1, _little(head, 27, 3) + 1
    if chunk == b"VP8L":
        packed = _little(head, 21, 4)
        return (packed & _MASK_14) + 1, (packed >> 14 & _MASK_14) + 1
    return _little(head, 26, 2) & _MASK_14, _little(head, 28, 2) & _MASK_14


def _little(head: bytes, start: int, count: int) -> int:
    return int.from_bytes(head[start : start + count], "little")


def _in_8_bits(image: ImageFile.ImageFile) -> Image.Image:
    """Return the pixels with 8 bits a sample."""
    if image.mode == "F":
        return Image.fromarray(to_8_bits(np.asarray(image)))
    if image.mode == "I":  # Pillow scales samples of 16 bits to this range
        return Image.fromarray(_scaled(np.asarray(image), _WHITE_OF_I))
    if image.mode.startswith("I;16"):
        return Image.fromarray(to_8_bits(np.asarray(image).astype(np.uint16)))
    if image.mode in ("YCbCr", "RGBX", "RGBa", "La"):
        return image.convert({"RGBa": "RGBA", "La": "LA"}.get(image.mode, "RGB"))
    return image


def _scaled(values: np.ndarray, white: int) -> np.ndarray:
    return np.rint(to_unit_range(values, white) * 255).astype(np.uint8)
