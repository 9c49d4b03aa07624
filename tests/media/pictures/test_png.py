import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from _helpers.odd_files import pictures_png as odd
from _helpers.odd_files.pictures_png import ALPHA, COLOUR, GREY, colour_png, deep_rows, png

from cpabmm_core.errors import MediaError
from cpabmm_core.media.image import read_image


def grey_as_rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


def test_16_bit_colour(tmp_path: Path) -> None:
    odd.make_16_bit_rgb(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), COLOUR)


def test_16_bit_colour_is_rounded(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(0, 65536, (48, 64, 3)).astype(np.uint16)
    (tmp_path / "a.png").write_bytes(png(deep_rows(samples), 64, 16, 2))
    assert np.abs(read_image(tmp_path / "a.png") - samples / 257).max() <= 0.51


@pytest.mark.parametrize("colour", [4, 6])
def test_16_bit_transparency_is_kept(tmp_path: Path, colour: int) -> None:
    shown = np.dstack([COLOUR if colour == 6 else GREY, ALPHA])
    (tmp_path / "a.png").write_bytes(png(deep_rows(shown.astype(np.uint16) * 257), 64, 16, colour))
    truth = shown if colour == 6 else np.dstack([grey_as_rgb(GREY), ALPHA])
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", alpha=True), truth)


def test_transparent_grey_of_16_bits(tmp_path: Path) -> None:
    odd.make_16_bit_grey_with_transparent_grey(tmp_path / "a.png")
    truth = grey_as_rgb(GREY)
    truth[:24] = 255
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), truth)
    alpha = read_image(tmp_path / "a.png", alpha=True)[..., 3]
    np.testing.assert_array_equal(alpha, np.where(np.arange(48)[:, None] < 24, 0, 255) + 0 * GREY)


def test_transparent_colour_of_16_bits_compares_all_bits(tmp_path: Path) -> None:
    odd.make_16_bit_rgb_with_transparent_colour(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert (image[:24] == 0x12).all()
    assert (image[24:] == 255).all()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_transparent_grey_of_few_bits(tmp_path: Path, bits: int) -> None:
    levels = 2**bits
    values = np.tile(np.arange(64) % levels, (48, 1)).astype(np.uint8)
    unpacked = (values[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    rows = np.packbits(unpacked.reshape(48, -1), axis=1)
    (tmp_path / "a.png").write_bytes(png(rows, 64, bits, 0, [(b"tRNS", b"\0\1")]))
    truth = np.where(values == 1, 255, values.astype(int) * 255 // (levels - 1))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), grey_as_rgb(truth))


def test_transparent_colour_of_8_bits(tmp_path: Path) -> None:
    key = b"".join(bytes([0, value]) for value in COLOUR[5, 7])
    (tmp_path / "a.png").write_bytes(colour_png([(b"tRNS", key)]))
    image = read_image(tmp_path / "a.png")
    assert (image[5, 7] == 255).all()
    np.testing.assert_array_equal(image[5, 8], COLOUR[5, 8])


@pytest.mark.parametrize(("colour", "bits"), [(2, 16), (2, 8), (0, 16), (6, 16)])
def test_interlaced(tmp_path: Path, colour: int, bits: int) -> None:
    """The seven passes of Adam7, as the specification defines them."""
    shown = np.dstack([COLOUR, ALPHA])[..., : {0: 1, 2: 3, 6: 4}[colour]]
    samples = shown.astype(np.uint16) * 257 if bits == 16 else shown
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)]
    lines = b""
    for left, top, across, down in [*passes, (0, 1, 1, 2)]:
        part = samples[top::down, left::across]
        rows = deep_rows(part) if bits == 16 else part.reshape(len(part), -1)
        lines += b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">LLBBBBB", 64, 48, bits, colour, 0, 0, 1)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    signature = colour_png()[:8]
    (tmp_path / "a.png").write_bytes(signature + b"".join(odd.chunk(*part) for part in parts))
    truth = grey_as_rgb(GREY) if colour == 0 else shown
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", alpha=True), truth)


def test_length_beyond_the_end_is_truncation(tmp_path: Path) -> None:
    data = colour_png()
    at = data.index(b"IDAT") - 4
    (tmp_path / "a.png").write_bytes(data[:at] + b"\xff\xff\xff\xff" + data[at + 4 :])
    with pytest.raises(MediaError, match="damaged image"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize(
    "make", [odd.make_heavy_text, odd.make_malformed_metadata, odd.make_gamma_and_primaries]
)
def test_metadata_never_matters(tmp_path: Path, make: odd.Make) -> None:
    make(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), COLOUR)


@pytest.mark.parametrize(
    ("make", "trouble"),
    [
        (odd.make_wrong_check_sum, "damaged image .*check sum"),
        (odd.make_truncated, "damaged image .*truncated"),
        (odd.make_bomb, "65535 x 65535 pixels .*limit for PNG is 256 megapixels"),
    ],
)
def test_damage_is_an_error(tmp_path: Path, make: odd.Make, trouble: str) -> None:
    make(tmp_path / "a.png")
    with pytest.raises(MediaError, match=trouble):
        read_image(tmp_path / "a.png")


def test_apples_own_variant_is_named(tmp_path: Path) -> None:
    data = colour_png()
    variant = data[:8] + odd.chunk(b"CgBI", b"\0\0\0\2") + data[8:]
    (tmp_path / "a.png").write_bytes(variant)
    with pytest.raises(MediaError, match="iOS programs"):
        read_image(tmp_path / "a.png")
