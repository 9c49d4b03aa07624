import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from _helpers.odd_files import pictures_other as odd
from _helpers.odd_files.pictures_other import LARGE
from _helpers.odd_files.pictures_png import COLOUR
from PIL import Image

from cpabmm_core.errors import MediaError
from cpabmm_core.media.image import is_image, read_image
from cpabmm_core.media.pictures import heif_brand, is_heif
from cpabmm_core.media.video import read_source

needs_heif = pytest.mark.skipif(
    find_spec("pillow_heif") is None,
    reason="pillow-heif is an extra",
)


def mean_error(image: np.ndarray, truth: np.ndarray) -> float:
    assert image.shape == truth.shape
    return float(np.abs(image.astype(int) - truth).mean())


@needs_heif
def test_photo_of_tiles_is_the_whole_picture_upright(tmp_path: Path) -> None:
    odd.make_tiled_heic(tmp_path / "a.heic")
    assert mean_error(read_source(tmp_path / "a.heic"), LARGE) < 3


@needs_heif
def test_suffix_does_not_matter(tmp_path: Path) -> None:
    odd.make_tiled_heic(tmp_path / "a.jpg")
    assert mean_error(read_image(tmp_path / "a.jpg"), LARGE) < 3


@needs_heif
def test_10_bits(tmp_path: Path) -> None:
    odd.make_10_bit_heic(tmp_path / "a.heic")
    assert mean_error(read_image(tmp_path / "a.heic"), LARGE) < 3


@needs_heif
def test_transparency(tmp_path: Path) -> None:
    odd.make_transparent_heic(tmp_path / "a.heic")
    image = read_image(tmp_path / "a.heic")
    assert (image[:, 34:] >= 254).all()
    assert mean_error(image[:, :30], COLOUR[:, :30]) < 3
    assert read_image(tmp_path / "a.heic", alpha=True).shape == (48, 64, 4)


@needs_heif
def test_primary_picture_is_read(tmp_path: Path) -> None:
    odd.make_second_picture_primary(tmp_path / "a.heic")
    assert mean_error(read_image(tmp_path / "a.heic"), COLOUR) < 3


@needs_heif
def test_profile_is_converted(tmp_path: Path) -> None:
    import pillow_heif

    from cpabmm_core.media.pictures.profiles import ADOBE_RGB

    for name, profile in (("plain", None), ("adobe", ADOBE_RGB)):
        image = pillow_heif.from_pillow(Image.fromarray(COLOUR))
        image.info["icc_profile"] = profile
        image.save(tmp_path / f"{name}.heic", quality=95)
    plain, adobe = (read_image(tmp_path / f"{name}.heic") for name in ("plain", "adobe"))
    Image.fromarray(plain).save(tmp_path / "truth.png", icc_profile=ADOBE_RGB)
    assert mean_error(adobe, read_image(tmp_path / "truth.png")) <= 1
    assert mean_error(adobe, plain) > 3


@needs_heif
def test_damaged_heic_is_one_line(tmp_path: Path) -> None:
    odd.make_tiled_heic(tmp_path / "whole.heic")
    (tmp_path / "a.heic").write_bytes((tmp_path / "whole.heic").read_bytes()[:-2000])
    with pytest.raises(MediaError, match="damaged image") as caught:
        read_image(tmp_path / "a.heic")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("read", [read_image, read_source])
def test_without_the_extra_the_cure_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: type
) -> None:
    odd.make_heic_head(tmp_path / "a.heic")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MediaError) as caught:
        read(tmp_path / "a.heic")
    assert str(caught.value) == (
        f"{tmp_path / 'a.heic'}: is a HEIF picture, which needs pillow-heif; "
        "pip install 'cpabmm[heif]', or convert the picture to JPEG"
    )


def test_heic_is_an_image_with_and_without_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd.make_heic_head(tmp_path / "a.mp4")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert is_image(tmp_path / "a.mp4")
    assert is_heif(tmp_path / "a.mp4")
    assert not is_heif(tmp_path / "missing")


@pytest.mark.parametrize(
    ("brands", "kind"),
    [
        (b"heic", "heif"),
        (b"heix", "heif"),
        (b"mif1heic", "heif"),
        (b"msf1hevc", "heif"),
        (b"miaf", "heif"),
        (b"mif1avif", "avif"),
        (b"avif", "avif"),
        (b"avis", "avif"),
        (b"isommif1", None),
        (b"qt  ", None),
        (b"mp42heic", None),
        (b"M4V mif1", None),
    ],
)
def test_brands(brands: bytes, kind: str | None) -> None:
    body = b"ftyp" + brands[:4] + bytes(4) + brands
    assert heif_brand((len(body) + 4).to_bytes(4, "big") + body + b"rest" * 9) == kind


def test_avif_sequence_gives_its_first_picture(tmp_path: Path) -> None:
    frames = [Image.fromarray(LARGE), Image.new("RGB", (192, 144))]
    frames[0].save(tmp_path / "a.avif", save_all=True, append_images=frames[1:], quality=95)
    assert (tmp_path / "a.avif").read_bytes()[8:12] == b"avis"
    assert mean_error(read_source(tmp_path / "a.avif"), LARGE) < 3


def test_turned_avif(tmp_path: Path) -> None:
    odd.make_turned_avif(tmp_path / "a.avif")
    assert mean_error(read_image(tmp_path / "a.avif"), LARGE) < 3
    assert is_image(tmp_path / "a.avif")
