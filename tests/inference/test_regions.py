"""Regions and framings, against NumPy, Pillow and the rule of `media.framing`."""

import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cpabmm_core.errors import ConfigError, ShapeError
from cpabmm_core.inference.regions import Fit, Framing, Region, frame_region
from cpabmm_core.media.framing import square_frame
from cpabmm_core.media.notices import show_notices

SIZES = [(31, 20), (20, 31), (64, 48), (21, 20), (20, 20), (1, 1), (1, 7), (200, 1)]
"""Widths and heights."""


def noise(width: int, height: int, channels: int = 3) -> NDArray[np.uint8]:
    shape = (height, width, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def ramp(width: int, height: int) -> NDArray[np.uint8]:
    """Return a picture in which level / 2 is the column in red and the row in green."""
    rows, columns = np.indices((height, width))
    return np.stack([2 * columns, 2 * rows, 0 * rows], axis=2).astype(np.uint8)


def part(image: NDArray[np.uint8], region: Region) -> NDArray[np.uint8]:
    rows = slice(region.top, region.top + region.height)
    return image[rows, region.left : region.left + region.width]


@pytest.mark.parametrize("text", ["40,0,320,240", " 40, 0 ,320,240 "])
def test_text_form_is_read_and_written(text: str) -> None:
    region = Region.parse(text)
    assert region == Region(left=40, top=0, width=320, height=240)
    assert str(region) == "40,0,320,240"
    assert Region.parse("-3,-4,5,6") == Region(-3, -4, 5, 6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "auto",
        "1,2,3",
        "1,2,3,4,5",
        "1,2,3,4px",
        "1.5,2,3,4",
        "1;2;3;4",
        "1,2,3,4\n5",
        "٣,2,3,4",
    ],
)
def test_another_form_is_an_error_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match="expected X,Y,W,H in whole pixels") as caught:
        Region.parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["0,0,0,5", "0,0,5,0", "0,0,-5,5"])
def test_a_region_has_pixels(text: str) -> None:
    with pytest.raises(ConfigError, match=rf"crop {text}: expected a width and a height of 1 or"):
        Region.parse(text)


@pytest.mark.parametrize("number", ["9" * 10, "9" * 5000])
def test_numbers_beyond_all_pictures_are_an_error(number: str) -> None:
    with pytest.raises(ConfigError, match="crop"):
        Region.parse(f"0,0,{number},5")


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("0,0,64,48", "0,0,64,48"),
        ("-10,-5,20,20", "0,0,10,15"),
        ("50,40,100,100", "50,40,14,8"),
        ("63,47,1,1", "63,47,1,1"),
        ("-100,-100,1000,1000", "0,0,64,48"),
    ],
)
def test_what_lies_beyond_the_picture_is_clipped_with_a_notice(text: str, inside: str) -> None:
    notices: list[str] = []
    with show_notices(notices.append):
        assert str(Region.parse(text).inside(64, 48, name="a.png")) == inside
    expected = f"a.png: crop {text} extends beyond the 64 x 48 pixels of the picture; {inside} is"
    assert notices == ([] if text == inside else [f"{expected} used"])


@pytest.mark.parametrize("text", ["64,0,10,10", "0,48,10,10", "-10,0,10,10", "0,-10,10,10"])
def test_a_region_outside_the_picture_is_an_error(text: str) -> None:
    message = re.escape(f"a.png: crop {text} lies outside the 64 x 48 pixels of the picture")
    with pytest.raises(ConfigError, match=message):
        frame_region(64, 48, Region.parse(text), name="a.png")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_without_a_region_the_model_sees_the_largest_centred_square(
    width: int, height: int
) -> None:
    image, side = noise(width, height), min(width, height)
    framing = frame_region(width, height)
    assert framing.region == framing.square
    cut = framing.cut(image)
    assert np.array_equal(cut, square_frame(image, side))
    for size in (7, 33):
        assert np.array_equal(square_frame(cut, size), square_frame(image, size))
    assert np.array_equal(framing.uncover(cut), cut)


def test_crop_takes_the_largest_centred_square_of_the_region() -> None:
    image, region = noise(64, 48), Region(5, 7, 30, 21)
    framing = frame_region(64, 48, region)
    assert framing.square == Region(9, 7, 21, 21)
    assert np.array_equal(framing.cut(image), square_frame(part(image, region), 21))


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_pad_repeats_the_edge_of_the_picture(width: int, height: int, channels: int) -> None:
    image, side = noise(width, height, channels), max(width, height)
    before = [(side - length) // 2 for length in (height, width)]
    around = [(before[0], side - height - before[0]), (before[1], side - width - before[1])]
    framing = frame_region(width, height, fit="pad")
    assert framing.region == Region(0, 0, width, height)
    cut = framing.cut(image)
    assert np.array_equal(cut, np.pad(image, [*around, (0, 0)], "edge"))
    assert np.array_equal(framing.uncover(cut), image)


def test_pad_shows_the_model_what_surrounds_the_region() -> None:
    image = ramp(64, 48)
    framing = frame_region(64, 48, Region(30, 4, 10, 40), "pad")
    assert framing.square == Region(15, 4, 40, 40)
    cut = framing.cut(image)
    assert np.array_equal(cut, image[4:44, 15:55])
    assert np.array_equal(framing.uncover(cut), part(image, framing.region))


@pytest.mark.parametrize("size", [17, 40, 97, 301])
@pytest.mark.parametrize("region", [Region(3, 2, 40, 17), Region(11, 0, 7, 40), None])
def test_padding_is_cut_off_at_any_size(size: int, region: Region | None) -> None:
    image = ramp(64, 48)
    framing = frame_region(64, 48, region, "pad")
    shown, side = framing.region, framing.square.width
    square = Image.fromarray(framing.cut(image)).resize((size, size), Image.Resampling.BICUBIC)
    found = framing.uncover(np.array(square))
    assert max(found.shape[:2]) == size
    assert abs(found.shape[1] - shown.width * size / side) <= 0.5
    assert abs(found.shape[0] - shown.height * size / side) <= 0.5
    # Every pixel shows the place in the picture that its position stands for.
    for axis, (start, count) in enumerate([(shown.left, shown.width), (shown.top, shown.height)]):
        length = found.shape[1 - axis]
        places = start + (np.arange(length) + 0.5) * count / length - 0.5
        levels = found[..., axis].mean(axis=axis)
        inner = slice(length // 4, length - length // 4)  # the ramp bends at the edges
        assert np.abs(levels - 2 * places)[inner].max() < 2.5


def test_uncovering_a_shape_that_is_not_square_is_an_error() -> None:
    with pytest.raises(ShapeError, match=r"square: expected \(T, T, 3 or 4\), got \(4, 5, 3\)"):
        frame_region(64, 48).uncover(noise(5, 4))


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_cut_is_a_copy(fit: Fit) -> None:
    image = noise(64, 48)
    frame_region(64, 48, fit=fit).cut(image)[:] = 0
    assert np.array_equal(image, noise(64, 48))


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("region", [None, Region(3, 2, 31, 20), Region(0, 5, 16, 33)])
def test_a_mirrored_framing_sees_and_shows_mirror_images(fit: Fit, region: Region | None) -> None:
    image = noise(64, 48)
    framing = frame_region(64, 48, region, fit)
    mirrored = replace(framing, mirrored=True)
    seen = mirrored.cut(image)
    assert np.array_equal(seen, framing.cut(image)[:, ::-1])
    assert np.array_equal(mirrored.uncover(seen), part(image, framing.region)[:, ::-1])


def test_unknown_fit_is_an_error() -> None:
    unknown: Fit = "stretch"  # type: ignore[assignment]
    with pytest.raises(ConfigError, match="fit stretch: unknown; use crop or pad"):
        frame_region(64, 48, fit=unknown)


def test_framings_compare_by_value() -> None:
    assert frame_region(64, 48) == Framing(Region(8, 0, 48, 48), Region(8, 0, 48, 48))
