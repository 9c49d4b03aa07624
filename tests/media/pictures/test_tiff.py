from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import tifffile
from _helpers.odd_files import pictures_tiff as odd
from _helpers.odd_files.pictures_png import ALPHA, COLOUR, GREY, Make
from _helpers.odd_files.pictures_tiff import SHARE
from PIL import Image

from cpabmm_core.errors import MediaError
from cpabmm_core.media.image import read_image

DARK_CORNER = np.where((np.indices(SHARE.shape) == 0).all(axis=0), 0, SHARE)
BRIGHT_CORNER = np.where((np.indices(SHARE.shape) == 0).all(axis=0), 1, SHARE)


def as_rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


def on_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255
    return colour * share + 255 * (1 - share)


TRUTHS: list[tuple[Make, np.ndarray]] = [
    (odd.make_float_with_nan, as_rgb(DARK_CORNER * 255)),
    (odd.make_float_with_infinity, as_rgb(DARK_CORNER * 255)),
    (odd.make_float_above_one, as_rgb(BRIGHT_CORNER * 255)),
    (odd.make_float_of_255, as_rgb(GREY)),
    (odd.make_half_float, as_rgb(SHARE * 255)),
    (odd.make_float_predictor, as_rgb(SHARE * 255)),
    (odd.make_int32_of_255, as_rgb(GREY)),
    (odd.make_int32_of_full_range, as_rgb(SHARE * 255)),
    (odd.make_planar_16_bit, COLOUR),
    (odd.make_tiled_big_endian_bigtiff, COLOUR),
    (odd.make_extra_sample_that_is_no_alpha, COLOUR),
    (odd.make_premultiplied_16_bit, on_white(COLOUR, ALPHA)),
    (odd.make_white_is_zero_16_bit, as_rgb(GREY)),
    (odd.make_12_bit, as_rgb(SHARE * 255)),
    (odd.make_wild_tags, as_rgb(GREY)),
    (odd.make_thumbnail_first, COLOUR),
]


@pytest.mark.parametrize(
    ("make", "truth"), TRUTHS, ids=lambda value: getattr(value, "__name__", "")
)
def test_pictures_come_out_as_they_look(tmp_path: Path, make: Make, truth: np.ndarray) -> None:
    make(tmp_path / "a.tif")
    assert np.abs(read_image(tmp_path / "a.tif") - truth).max() <= 1


def test_lab(tmp_path: Path) -> None:
    """8-bit Lab has steps of 1 in a and b, which are up to 6 in sRGB (measured: 5.1)."""
    odd.make_lab_8_bit(tmp_path / "a.tif")
    assert np.abs(read_image(tmp_path / "a.tif").astype(int) - COLOUR).mean() < 1.5


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib", "lzma"])
@pytest.mark.parametrize("tile", [None, (16, 48)])
@pytest.mark.parametrize(
    ("dtype", "scale"), [(np.uint8, 1), (np.uint16, 257), (np.uint32, 2**24 + 65793)]
)
def test_layouts(
    tmp_path: Path,
    planar: str,
    compression: str | None,
    tile: tuple[int, int] | None,
    dtype: type,
    scale: int,
) -> None:
    """tifffile writes them; sizes are no multiples of strips and tiles."""
    shown = np.dstack([COLOUR, ALPHA])[:47, :61]
    samples: np.ndarray = (shown.astype(np.uint64) * scale).astype(dtype)
    orders: tuple[Literal["<", ">"], ...] = ("<", ">")
    for byte_order in orders:
        for predictor in (False, True) if compression in ("zlib", "lzma") else (False,):
            tifffile.imwrite(
                tmp_path / "a.tif",
                np.moveaxis(samples, 2, 0) if planar == "separate" else samples,
                byteorder=byte_order,
                photometric="rgb",
                planarconfig=planar,
                compression=compression,
                predictor=predictor or None,
                tile=tile,
                rowsperstrip=None if tile else 5,
                extrasamples=["unassalpha"],
            )
            np.testing.assert_array_equal(read_image(tmp_path / "a.tif", alpha=True), shown)


@pytest.mark.parametrize("compression", ["tiff_lzw", "zstd", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("predictor", [1, 2])
def test_codecs_of_libtiff(tmp_path: Path, compression: str, predictor: int) -> None:
    options: dict[str, Any] = {"compression": compression, "tiffinfo": {317: predictor}}
    if compression == "packbits" and predictor == 2:
        pytest.skip("PackBits has no predictor")
    wide = np.rint(SHARE * 65535).astype(np.uint16)
    for name, image, truth in (
        ("colour", Image.fromarray(COLOUR), COLOUR),
        ("wide", Image.fromarray(wide), as_rgb(SHARE * 255)),
    ):
        image.save(tmp_path / f"{name}.tif", **options)
        assert np.abs(read_image(tmp_path / f"{name}.tif") - truth).max() <= 0.51


@pytest.mark.parametrize(
    ("mode", "compression"),
    [
        ("1", "group4"),
        ("1", "group3"),
        ("L", "jpeg"),
        ("RGB", "jpeg"),
        ("CMYK", "jpeg"),
        ("P", "tiff_lzw"),
        ("LA", "raw"),
        ("YCbCr", "tiff_lzw"),
    ],
)
def test_codecs_of_pictures_agree_with_pillow(tmp_path: Path, mode: str, compression: str) -> None:
    image = Image.fromarray(COLOUR)
    image = image.quantize(64) if mode == "P" else image.convert(mode)
    image.save(tmp_path / "a.tif", compression=compression)
    with Image.open(tmp_path / "a.tif") as opened:
        truth = np.asarray(opened.convert("RGB"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), truth)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.4])
def test_light_above_one_never_changes_the_range(tmp_path: Path, share: float) -> None:
    values = SHARE.astype(np.float32)
    values[: round(48 * share)] = 100
    values[0, 0] = 1e30
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack")
    truth = as_rgb(np.clip(values, 0, 1) * 255)
    assert np.abs(read_image(tmp_path / "a.tif") - truth).max() <= 1


def test_outlier_never_changes_the_range_of_integers(tmp_path: Path) -> None:
    values = GREY.astype(np.uint32)
    values[0, 0] = 2**32 - 1
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif")[1:], as_rgb(GREY)[1:])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(tmp_path: Path, orientation: int) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "a.tif", tiffinfo={274: orientation})
    Image.fromarray(COLOUR).save(tmp_path / "a.png", exif=_exif(orientation))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), read_image(tmp_path / "a.png"))


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize(
    ("make", "trouble"),
    [
        (odd.make_camera_raw, "camera raw file; develop it"),
        (odd.make_truncated_tiff, "damaged image"),
        (odd.make_tiff_bomb, "65535 x 65535 pixels .*limit for TIFF is 256 megapixels"),
    ],
)
def test_damage_is_an_error(tmp_path: Path, make: Make, trouble: str) -> None:
    make(tmp_path / "a.tif")
    with pytest.raises(MediaError, match=trouble):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("rows", [5, 48])
def test_lost_pixels_are_an_error(tmp_path: Path, compression: str | None, rows: int) -> None:
    """tifffile writes the directory in front, so that only pixels are missing."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, COLOUR, photometric="rgb", compression=compression, rowsperstrip=rows)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(MediaError, match="damaged image"):
        read_image(path)


@pytest.mark.parametrize("compression", ["tiff_lzw", "zstd"])
def test_damaged_codes_are_an_error(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(COLOUR).save(path, compression=compression)
    with tifffile.TiffFile(path) as whole:
        first = whole.pages.first
        place, count = first.dataoffsets[0], first.databytecounts[0]
    data = bytearray(path.read_bytes())
    data[place + count // 3 : place + count] = bytes(count - count // 3)
    path.write_bytes(data)
    with pytest.raises(MediaError, match="damaged image"):
        read_image(path)


def test_channels_without_a_meaning_are_refused(tmp_path: Path) -> None:
    bands = np.zeros((48, 64, 5), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", bands, photometric="minisblack", planarconfig="contig")
    with pytest.raises(MediaError, match="5 channels that are not marked as colours; save it"):
        read_image(tmp_path / "a.tif")


def test_nothing_is_said_about_metadata(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    odd.make_wild_tags(tmp_path / "a.tif")
    read_image(tmp_path / "a.tif")
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list
