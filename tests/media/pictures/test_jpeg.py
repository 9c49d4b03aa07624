from pathlib import Path

import numpy as np
import pytest
from _helpers.odd_files import pictures_jpeg as odd
from _helpers.odd_files.pictures_jpeg import jpeg
from _helpers.odd_files.pictures_png import COLOUR, Make
from PIL import Image

from cpabmm_core.errors import MediaError
from cpabmm_core.media.image import read_image


@pytest.fixture
def as_decoded(tmp_path: Path) -> np.ndarray:
    """The pixels of the plain file, decoded by Pillow."""
    (tmp_path / "plain.jpg").write_bytes(jpeg())
    with Image.open(tmp_path / "plain.jpg") as image:
        return np.asarray(image)


@pytest.mark.parametrize(
    "make",
    [
        odd.make_malformed_exif,
        odd.make_junk_around,
        odd.make_no_end_marker,
        odd.make_two_pictures,
        odd.make_malformed_multi_picture,
    ],
)
def test_the_first_picture_is_read_whatever_is_around_it(
    tmp_path: Path,
    make: Make,
    as_decoded: np.ndarray,
    capfd: pytest.CaptureFixture[str],
    recwarn: pytest.WarningsRecorder,
) -> None:
    make(tmp_path / "a.jpg")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), as_decoded)
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_orientation_is_applied_once(tmp_path: Path, as_decoded: np.ndarray) -> None:
    odd.make_upside_down(tmp_path / "a.jpg")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), as_decoded[::-1, ::-1])


@pytest.mark.parametrize(
    ("make", "trouble"),
    [
        (odd.make_truncated_jpeg, "damaged image .*truncated"),
        (odd.make_truncated_progressive, "damaged image .*truncated"),
        (odd.make_jpeg_bomb, "65535 x 65535 pixels .*limit for JPEG is 256 megapixels"),
    ],
)
def test_damage_is_an_error(tmp_path: Path, make: Make, trouble: str) -> None:
    make(tmp_path / "a.jpg")
    with pytest.raises(MediaError, match=trouble):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("lost", [3, 20, 200])
def test_a_picture_that_lacks_more_than_its_end_is_truncated(tmp_path: Path, lost: int) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg()[:-lost])
    with pytest.raises(MediaError, match="truncated"):
        read_image(tmp_path / "a.jpg")


def test_12_bits_are_named(tmp_path: Path) -> None:
    data = bytearray(jpeg())
    data[data.index(b"\xff\xc0") + 4] = 12
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(MediaError, match="JPEG of 12 bits; convert it"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("mode", ["L", "CMYK", "YCbCr"])
@pytest.mark.parametrize("progressive", [False, True])
def test_modes_agree_with_pillow(tmp_path: Path, mode: str, progressive: bool) -> None:
    Image.fromarray(COLOUR).convert(mode).save(tmp_path / "a.jpg", progressive=progressive)
    with Image.open(tmp_path / "a.jpg") as image:
        truth = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), truth)
