"""Colour profiles and coded colours; LittleCMS and closed forms know the truth."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from _helpers.odd_files.pictures_jpeg import jpeg, make_adobe_rgb_by_exif
from _helpers.odd_files.pictures_png import ALPHA, COLOUR, GREY, colour_png, deep_rows, png
from PIL import Image, ImageCms

from cpabmm_core.media.image import read_image
from cpabmm_core.media.pictures.profiles import ADOBE_RGB, PRIMARIES, Primaries, rgb_profile

PROPHOTO: Primaries = ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001))
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ADOBE: Primaries = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
SPACES: dict[str, tuple[Primaries, float | None]] = {
    "adobe": (ADOBE, 563 / 256),
    "p3": (PRIMARIES[12], None),
    "prophoto": (PROPHOTO, 1.8),
    "bt2020": (PRIMARIES[9], None),
}
"""Primaries and exponent (None for the curve of sRGB), with a white of D65."""


def error(path: Path, truth: np.ndarray) -> float:
    return float(np.abs(read_image(path) - truth).max())


def shown_as(stored: np.ndarray, space: str) -> np.ndarray:
    """Return what colours of 8 bits are in sRGB, by matrices in double precision."""
    primaries, gamma = SPACES[space]
    values = stored / 255
    curve = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    light = curve if gamma is None else values**gamma
    matrix = np.linalg.inv(rgb_to_xyz(PRIMARIES[1])) @ rgb_to_xyz(primaries)
    linear = np.clip(light @ matrix.T, 0, 1)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(coded * 255)


def rgb_to_xyz(primaries: Primaries) -> np.ndarray:
    """Return the matrix that makes equal amounts of the primaries white (D65)."""
    x, y = np.array(primaries).T
    colours = np.stack([x, y, 1 - x - y])
    white = np.array([0.3127, 0.3290, 0.3583]) / 0.3290
    return colours @ np.diag(np.linalg.inv(colours) @ white)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_wide_colour_spaces(tmp_path: Path, space: str, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(COLOUR).save(path, icc_profile=rgb_profile(*SPACES[space]), lossless=True)
    assert error(path, shown_as(COLOUR, space)) <= 2


def test_profile_in_avif(tmp_path: Path) -> None:
    """The codec is lossy, so the truth is what it stored."""
    Image.fromarray(COLOUR).save(tmp_path / "plain.avif", quality=95)
    Image.fromarray(COLOUR).save(tmp_path / "a.avif", quality=95, icc_profile=ADOBE_RGB)
    stored = read_image(tmp_path / "plain.avif")
    assert error(tmp_path / "a.avif", shown_as(stored, "adobe")) <= 2


def test_profile_matches_the_closed_form() -> None:
    """The colorants, relative to D50, are those that Adobe published."""
    opened = ImageCms.ImageCmsProfile(io.BytesIO(ADOBE_RGB))
    grey = Image.new("RGB", (1, 1), (128, 128, 128))
    shown = ImageCms.profileToProfile(grey, opened, ImageCms.createProfile("sRGB"))
    light = (128 / 255) ** (563 / 256)
    truth = 255 * (1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(np.asarray(shown, dtype=float) - truth).max() <= 1
    red, green = opened.profile.red_colorant, opened.profile.green_colorant
    assert red
    assert green
    np.testing.assert_allclose(red[0], (0.60974, 0.31111, 0.01947), atol=2e-4)
    np.testing.assert_allclose(green[0], (0.20528, 0.62567, 0.06087), atol=2e-4)


def test_profile_of_a_transparent_picture(tmp_path: Path) -> None:
    image = Image.fromarray(np.dstack([COLOUR, ALPHA]))
    image.save(tmp_path / "a.png", icc_profile=ADOBE_RGB)
    shown = read_image(tmp_path / "a.png", alpha=True)
    np.testing.assert_array_equal(shown[..., 3], ALPHA)
    assert np.abs(shown[..., :3] - shown_as(COLOUR, "adobe")).max() <= 2


def test_profile_of_16_bits(tmp_path: Path) -> None:
    body = b"x\0\0" + zlib.compress(ADOBE_RGB)
    rows = deep_rows(COLOUR.astype(np.uint16) * 257)
    (tmp_path / "a.png").write_bytes(png(rows, 64, 16, 2, [(b"iCCP", body)]))
    assert error(tmp_path / "a.png", shown_as(COLOUR, "adobe")) <= 2


def test_grey_picture_with_a_colour_profile(tmp_path: Path) -> None:
    """Grey of gamma 2.2 in Adobe RGB differs a little from grey of sRGB."""
    Image.fromarray(GREY).save(tmp_path / "a.png", icc_profile=ADOBE_RGB)
    light = (GREY / 255) ** (563 / 256)
    truth = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    assert np.abs(read_image(tmp_path / "a.png") - truth[..., None]).max() <= 2


@pytest.mark.parametrize("profile", [SRGB, rgb_profile(PRIMARIES[1])])
def test_srgb_changes_nothing(tmp_path: Path, profile: bytes) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "a.png", icc_profile=profile)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), COLOUR)


MALFORMED = [
    b"garbage",
    ADOBE_RGB[:60],
    ADOBE_RGB[:200],
    b"\0" * 5000,
    ADOBE_RGB[:128] + b"\xff" * 400,
]


@pytest.mark.parametrize("profile", MALFORMED, ids=len)
def test_malformed_profile_changes_nothing(tmp_path: Path, profile: bytes) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "a.png", icc_profile=profile)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), COLOUR)


def test_profile_of_another_colour_space_changes_nothing(tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.fromarray(COLOUR).save(tmp_path / "a.png", icc_profile=lab)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), COLOUR)
    image = Image.fromarray(COLOUR).convert("CMYK")
    image.save(tmp_path / "a.tif", icc_profile=ADOBE_RGB)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), np.asarray(image.convert("RGB")))


def test_adobe_rgb_of_a_camera_without_a_profile(tmp_path: Path) -> None:
    make_adobe_rgb_by_exif(tmp_path / "a.jpg")
    with Image.open(io.BytesIO(jpeg())) as stored:
        truth = shown_as(np.asarray(stored), "adobe")
    assert error(tmp_path / "a.jpg", truth) <= 2


def test_cmyk_without_a_profile_follows_the_formula(tmp_path: Path) -> None:
    inks = Image.merge(
        "CMYK", [Image.fromarray(COLOUR[..., i]) for i in (0, 1, 2)] + [Image.fromarray(ALPHA)]
    )
    inks.save(tmp_path / "a.tif")
    truth = (255 - COLOUR.astype(float)) * (255 - ALPHA[..., None]) / 255
    assert np.abs(read_image(tmp_path / "a.tif") - truth).max() <= 1


INKS = {
    (0, 0, 0, 0): (100, 0, 0),
    (255, 0, 0, 0): (60, -25, -30),
    (0, 255, 0, 0): (50, 45, 0),
    (0, 0, 255, 0): (88, 0, 60),
    (0, 0, 0, 255): (0, 0, 0),
}
"""Lab of full inks in the profile `ink_profile`."""


def ink_profile() -> bytes:
    """Return a CMYK profile of version 2: a table of 16 nodes to Lab, black where inks overlap."""
    nodes = np.zeros((2, 2, 2, 2, 3))
    for inks, colour in INKS.items():
        nodes[tuple(ink // 255 for ink in inks)] = colour
    coded_lab = (nodes * (65280 / 100, 256, 256) + (0, 32768, 32768)).astype(">u2")
    identity = struct.pack(">9l", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    line = struct.pack(">HH", 0, 65535)
    table = b"mft2\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + struct.pack(">HH", 2, 2)
    table += line * 4 + coded_lab.tobytes() + line * 3
    header = struct.pack(">L4xL", 144 + len(table), 0x02100000) + b"prtrCMYKLab ".ljust(24, b"\0")
    header = (header + b"acsp").ljust(68, b"\0") + struct.pack(">3l", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + struct.pack(">L4sLL", 1, b"A2B0", 144, len(table)) + table


def lab_as_srgb(lab: tuple[int, int, int]) -> np.ndarray:
    """Return Lab (D50) in sRGB by the formulas of CIE and Bradford's adaptation."""
    middle = (lab[0] + 16) / 116
    f = np.array([middle + lab[1] / 500, middle, middle - lab[2] / 200])
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * (0.9642, 1, 0.8249)
    to_d65 = [[0.95558, -0.02304, 0.06316], [-0.02829, 1.00994, 0.02101], [0.0123, -0.0205, 1.33]]
    light = np.linalg.inv(rgb_to_xyz(PRIMARIES[1])) @ np.array(to_d65) @ xyz
    light = np.clip(light, 0, 1)
    coded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(coded * 255)


@pytest.mark.parametrize("inks", INKS)
@pytest.mark.parametrize("suffix", ["tif", "jpg"])
def test_cmyk_with_its_profile(
    tmp_path: Path, inks: tuple[int, int, int, int], suffix: str
) -> None:
    """JPEG stores inks inverted, as Adobe does."""
    path = tmp_path / f"a.{suffix}"
    Image.new("CMYK", (16, 16), inks).save(path, icc_profile=ink_profile(), quality=100)
    assert error(path, lab_as_srgb(INKS[inks])) <= 2


def coded(samples: np.ndarray, primaries: int, transfer: int) -> bytes:
    colour = bytes([primaries, transfer, 0, 1])
    return png(deep_rows(samples), 64, 16, 2, [(b"cICP", colour)])


def test_pq_shows_reference_white_as_white(tmp_path: Path) -> None:
    """SMPTE ST 2084 codes 203 cd/m2 as 0.5807, and 0.5 * 203 as 0.5081 (BT.2408 and by formula)."""
    signal = np.zeros((48, 64, 3))
    signal[:16], signal[16:32], signal[32:] = 0.58069, 0.75, pq(203 * 0.5)
    samples = np.rint(signal * 65535).astype(np.uint16)
    (tmp_path / "a.png").write_bytes(coded(samples, 9, 16))
    image = read_image(tmp_path / "a.png")
    assert (image[:32] == 255).all()
    assert np.abs(image[32:].astype(int) - 188).max() <= 1  # sRGB of half the light is 187.5


def pq(light: float) -> float:
    ratio = (light / 10000) ** (2610 / 16384)
    share = (3424 / 4096 + 2413 / 128 * ratio) / (1 + 2392 / 128 * ratio)
    return float(share ** (2523 / 32))


def test_hlg_shows_three_quarters_as_white(tmp_path: Path) -> None:
    """ITU-R BT.2408: a signal of 75% is reference white; 50% is 1/12 of the scene light of 1."""
    samples = np.full((48, 64, 3), round(0.75 * 65535), dtype=np.uint16)
    samples[24:] = 32768
    (tmp_path / "a.png").write_bytes(coded(samples, 9, 18))
    image = read_image(tmp_path / "a.png")
    assert (image[:24] >= 254).all()
    light = 1000 * (1 / 12) ** 1.2 / 203
    assert np.abs(image[24:] - 255 * (1.055 * light ** (1 / 2.4) - 0.055)).max() <= 1


def test_code_points_of_display_p3(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(coded(COLOUR.astype(np.uint16) * 257, 12, 13))
    assert error(tmp_path / "a.png", shown_as(COLOUR, "p3")) <= 2


@pytest.mark.parametrize("points", [(1, 13), (2, 2), (255, 255), (0, 0)])
def test_other_code_points_change_nothing(tmp_path: Path, points: tuple[int, int]) -> None:
    body = struct.pack("BBBB", *points, 0, 1)
    (tmp_path / "a.png").write_bytes(colour_png([(b"cICP", body)]))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), COLOUR)
