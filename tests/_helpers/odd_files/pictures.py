"""All odd pictures, each with what it must look like, or the trouble that must be named."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from _helpers.odd_files import pictures_jpeg as jpeg
from _helpers.odd_files import pictures_other as other
from _helpers.odd_files import pictures_png as png
from _helpers.odd_files import pictures_tiff as tiff
from _helpers.odd_files.pictures_png import ALPHA, COLOUR, GREY, Make
from numpy.typing import NDArray

_LOSSY, _EXACT = 3.0, 0.51


@dataclass(frozen=True)
class OddPicture:
    """A file and the right outcome of reading it.

    Args:
        name: name of the file.
        make: writes it.
        looks: (H, W, 3) in [0, 255], or None if it must be refused.
        trouble: pattern of the message with which it must be refused.
        tolerance: allowed mean absolute difference.
        needs_heif: whether making it needs pillow-heif.
    """

    name: str
    make: Make
    looks: NDArray[Any] | None = None
    trouble: str = ""
    tolerance: float = _EXACT
    needs_heif: bool = False


def _rgb(grey: NDArray[Any]) -> NDArray[Any]:
    return np.repeat(grey[..., None], 3, axis=2)


def _on_white(opaque: NDArray[np.bool_]) -> NDArray[Any]:
    return np.where(opaque[..., None], _rgb(GREY), 255)


_SHARE = _rgb(tiff.SHARE * 255)
_COVER = ALPHA[..., None] / 255
_LOWER, _LEFT = np.indices(GREY.shape)[0] >= 24, np.indices(GREY.shape)[1] < 32
_LEVELS = np.array([0, 255, 170, 255])[np.indices(GREY.shape)[1] % 4]
_MANY = r"\d+ x \d+ pixels .* limit for {} is \d+ megapixels"

ODD_PICTURES = [
    OddPicture("16_bit.png", png.make_16_bit_rgb, COLOUR),
    OddPicture("key_16.png", png.make_16_bit_grey_with_transparent_grey, _on_white(_LOWER)),
    OddPicture(
        "key_48.png", png.make_16_bit_rgb_with_transparent_colour, _rgb(np.where(_LOWER, 255, 18))
    ),
    OddPicture("key_2.png", png.make_2_bit_grey_with_transparent_grey, _rgb(_LEVELS)),
    OddPicture("heavy_text.png", png.make_heavy_text, COLOUR),
    OddPicture("malformed.png", png.make_malformed_metadata, COLOUR),
    OddPicture("gamma.png", png.make_gamma_and_primaries, COLOUR),
    OddPicture("check_sum.png", png.make_wrong_check_sum, trouble="damaged image"),
    OddPicture("truncated.png", png.make_truncated, trouble="damaged image"),
    OddPicture("bomb.png", png.make_bomb, trouble=_MANY.format("PNG")),
    OddPicture("nan.tif", tiff.make_float_with_nan, _SHARE),
    OddPicture("infinity.tif", tiff.make_float_with_infinity, _SHARE),
    OddPicture("above_one.tif", tiff.make_float_above_one, _SHARE),
    OddPicture("float_255.tif", tiff.make_float_of_255, _rgb(GREY)),
    OddPicture("half.tif", tiff.make_half_float, _SHARE),
    OddPicture("int32_255.tif", tiff.make_int32_of_255, _rgb(GREY)),
    OddPicture("int32_full.tif", tiff.make_int32_of_full_range, _SHARE),
    OddPicture("planar.tif", tiff.make_planar_16_bit, COLOUR),
    OddPicture("tiled.tif", tiff.make_tiled_big_endian_bigtiff, COLOUR),
    OddPicture(
        "premultiplied.tif",
        tiff.make_premultiplied_16_bit,
        COLOUR * _COVER + 255 * (1 - _COVER),
    ),
    OddPicture("extra.tif", tiff.make_extra_sample_that_is_no_alpha, COLOUR),
    OddPicture("white_is_zero.tif", tiff.make_white_is_zero_16_bit, _rgb(GREY)),
    OddPicture("12_bit.tif", tiff.make_12_bit, _SHARE),
    OddPicture("lab.tif", tiff.make_lab_8_bit, COLOUR, tolerance=_LOSSY),
    OddPicture("predictor.tif", tiff.make_float_predictor, _SHARE),
    OddPicture("wild_tags.tif", tiff.make_wild_tags, _rgb(GREY)),
    OddPicture("thumbnail.tif", tiff.make_thumbnail_first, COLOUR),
    OddPicture("raw.dng", tiff.make_camera_raw, trouble="camera raw file"),
    OddPicture("truncated.tif", tiff.make_truncated_tiff, trouble="damaged image"),
    OddPicture("bomb.tif", tiff.make_tiff_bomb, trouble=_MANY.format("TIFF")),
    OddPicture("exif.jpg", jpeg.make_malformed_exif, COLOUR, tolerance=_LOSSY),
    OddPicture("junk.jpg", jpeg.make_junk_around, COLOUR, tolerance=_LOSSY),
    OddPicture("no_end.jpg", jpeg.make_no_end_marker, COLOUR, tolerance=_LOSSY),
    OddPicture("two.jpg", jpeg.make_two_pictures, COLOUR, tolerance=_LOSSY),
    OddPicture("index.jpg", jpeg.make_malformed_multi_picture, COLOUR, tolerance=_LOSSY),
    OddPicture("turned.jpg", jpeg.make_upside_down, COLOUR[::-1, ::-1], tolerance=_LOSSY),
    OddPicture("truncated.jpg", jpeg.make_truncated_jpeg, trouble="damaged image"),
    OddPicture("scans.jpg", jpeg.make_truncated_progressive, trouble="damaged image"),
    OddPicture("bomb.jpg", jpeg.make_jpeg_bomb, trouble=_MANY.format("JPEG")),
    OddPicture("tiles.heic", other.make_tiled_heic, other.LARGE, tolerance=_LOSSY, needs_heif=True),
    OddPicture(
        "10_bit.heic", other.make_10_bit_heic, other.LARGE, tolerance=_LOSSY, needs_heif=True
    ),
    OddPicture(
        "half.heic",
        other.make_transparent_heic,
        np.where(_LEFT[..., None], COLOUR, 255),
        tolerance=_LOSSY,
        needs_heif=True,
    ),
    OddPicture(
        "second.heic", other.make_second_picture_primary, COLOUR, tolerance=_LOSSY, needs_heif=True
    ),
    OddPicture("turned.avif", other.make_turned_avif, other.LARGE, tolerance=_LOSSY),
    OddPicture("bomb.gif", other.make_gif_bomb, trouble=_MANY.format("GIF")),
    OddPicture("bomb.webp", other.make_webp_bomb, trouble=_MANY.format("WEBP")),
    OddPicture("bomb.bmp", other.make_bmp_bomb, trouble=_MANY.format("BMP")),
    OddPicture("bomb.ppm", other.make_portable_bomb, trouble=_MANY.format("PPM")),
]
