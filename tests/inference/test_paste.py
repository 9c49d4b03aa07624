"""Pasting back, against the blend written out in floating point and against Pillow."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cpabmm_core.errors import ShapeError
from cpabmm_core.inference.paste import paste_back
from cpabmm_core.inference.regions import Framing, Region, frame_region

REGIONS = [
    Region(8, 6, 32, 32),
    Region(0, 0, 32, 32),
    Region(40, 20, 30, 33),
    Region(0, 10, 70, 20),
    Region(0, 0, 70, 53),
    Region(20, 20, 1, 1),
    Region(69, 0, 1, 53),
    Region(13, 17, 3, 2),
]
"""Parts of a picture of 70 x 53 pixels, inside it and at each of its edges."""


def noise(width: int, height: int, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    shape = (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def part(image: NDArray[np.uint8], region: Region) -> NDArray[np.uint8]:
    rows = slice(region.top, region.top + region.height)
    return image[rows, region.left : region.left + region.width]


def framed(region: Region) -> Framing:
    return frame_region(70, 53, region, "pad")


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("region", REGIONS, ids=str)
def test_at_rest_the_picture_stays_as_it_is(region: Region, channels: int) -> None:
    whole = noise(70, 53, channels)
    pasted = paste_back(whole, part(whole, region).copy(), framed(region))
    assert np.abs(pasted.astype(int) - whole).max() <= (channels == 4)
    assert np.array_equal(whole, noise(70, 53, channels))


@pytest.mark.parametrize("region", REGIONS, ids=str)
def test_only_the_region_changes_and_its_middle_is_the_result(region: Region) -> None:
    whole, result = noise(70, 53), noise(region.width, region.height, seed=1)
    pasted = paste_back(whole, result, framed(region))
    outside = np.ones((53, 70), bool)
    part(outside, region)[:] = False
    assert np.array_equal(pasted[outside], whole[outside])
    feather = max(1, round(min(region.width, region.height) / 16))
    top = 0 if region.top == 0 else feather
    left = 0 if region.left == 0 else feather
    bottom = region.height - (0 if region.top + region.height == 53 else feather)
    right = region.width - (0 if region.left + region.width == 70 else feather)
    inner = (slice(top, bottom), slice(left, right))
    assert np.array_equal(part(pasted, region)[inner], result[inner])


def smooth(distance: NDArray[np.float64], feather: int) -> NDArray[np.float64]:
    share = np.clip(distance / feather, 0, 1)
    return share * share * (3 - 2 * share)


def test_the_feather_is_a_smooth_step_in_each_direction() -> None:
    region, feather = Region(8, 6, 48, 40), 2  # 40 / 16, rounded to even
    whole, result = noise(70, 53), noise(48, 40, seed=1)
    x = smooth(np.minimum(np.arange(48) + 0.5, 47.5 - np.arange(48)), feather)
    y = smooth(np.minimum(np.arange(40) + 0.5, 39.5 - np.arange(40)), feather)
    weight = (y[:, None] * x)[..., None]
    expected = part(whole, region) * (1 - weight) + result * weight
    found = part(paste_back(whole, result, framed(region)), region)
    assert np.abs(found - expected).max() < 1.01  # rounded, with weights in 256ths


def test_a_constant_step_fades_without_a_jump() -> None:
    whole, result = np.full((600, 800, 3), 20, np.uint8), np.full((480, 480, 3), 220, np.uint8)
    framing = frame_region(800, 600, Region(100, 60, 480, 480))
    row = paste_back(whole, result, framing)[300, :, 0].astype(int)
    steps = np.abs(np.diff(row))
    assert row[99] == 20
    assert row[340] == 220
    assert steps.max() <= np.ceil(200 * 1.5 / 30)  # the steepest slope of a smooth step over 30 px


@pytest.mark.parametrize("size", [(16, 16), (96, 96), (301, 299)])
def test_the_result_may_have_any_size(size: tuple[int, int]) -> None:
    whole, result = noise(70, 53), noise(*size, seed=1)
    region = Region(8, 6, 32, 32)
    resized = Image.fromarray(result).resize((32, 32), Image.Resampling.BICUBIC)
    expected = paste_back(whole, np.array(resized), framed(region))
    assert np.array_equal(paste_back(whole, result, framed(region)), expected)


def test_transparent_pixels_do_not_colour_the_feather() -> None:
    region = Region(8, 6, 32, 32)
    whole = np.zeros((53, 70, 4), np.uint8)
    whole[...] = (255, 0, 0, 0)  # an invisible red
    result = np.full((32, 32, 4), (0, 0, 200, 255), np.uint8)
    found = part(paste_back(whole, result, framed(region)), region)
    shown = found[found[..., 3] > 0]
    assert np.array_equal(np.unique(shown[:, :3], axis=0), [[0, 0, 200]])
    # Over black, a premultiplied blend is the plain blend of the visible colours.
    expected = part(paste_back(whole[..., :3] * 0, result[..., :3], framed(region)), region)
    over_black = np.rint(found[..., :3] * (found[..., 3:] / 255))
    assert np.abs(over_black - expected).max() <= 1


def test_channels_must_agree() -> None:
    with pytest.raises(ShapeError, match="expected as many channels as the picture"):
        paste_back(noise(70, 53), noise(32, 32, 4), framed(REGIONS[0]))


def test_a_framing_of_another_picture_is_an_error() -> None:
    with pytest.raises(ShapeError, match="contains the region 8,6,32,32, got 20 x 20 pixels"):
        paste_back(noise(20, 20), noise(32, 32), framed(REGIONS[0]))
