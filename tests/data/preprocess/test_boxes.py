"""Geometry of boxes and cropping, compared with hand-computed values and with Pillow."""

import numpy as np
import pytest
from PIL import Image

from cpabmm_core.data.preprocess.boxes import (
    Box,
    central_square,
    clip_to_frame,
    crop_and_resize,
    enclose,
    expand,
    intersection_area,
    iou,
    is_within,
    make_square,
    move_into_frame,
    round_to_pixels,
    scale,
)
from cpabmm_core.media.framing import square_frame


def noise(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),
        ((0, 0, 10, 10), (5, 0, 15, 10), 50 / 150),
        ((0, 0, 10, 10), (6, 0, 16, 10), 40 / 160),
        ((0, 0, 10, 10), (10, 0, 20, 10), 0.0),
        ((0, 0, 10, 10), (20, 20, 30, 30), 0.0),
        ((0, 0, 10, 20), (2, 5, 4, 10), 10 / 200),
        ((3, 3, 3, 3), (3, 3, 3, 3), 0.0),
    ],
)
def test_iou_agrees_with_values_computed_by_hand(
    one: tuple[float, ...], other: tuple[float, ...], expected: float
) -> None:
    assert iou(Box(*one), Box(*other)) == pytest.approx(expected)
    assert iou(Box(*other), Box(*one)) == pytest.approx(expected)


def test_iou_agrees_with_counted_pixels() -> None:
    numbers = np.random.default_rng(1)
    for _ in range(20):
        masks = np.zeros((2, 20, 20), dtype=bool)
        boxes = []
        for k in range(2):
            left, top = numbers.integers(0, 10, 2)
            right, bottom = numbers.integers(10, 20, 2)
            masks[k, top:bottom, left:right] = True
            boxes.append(Box(left, top, right, bottom))
        shared = int((masks[0] & masks[1]).sum())
        assert intersection_area(*boxes) == shared
        assert iou(*boxes) == pytest.approx(shared / (masks[0] | masks[1]).sum())


def test_box_of_a_published_clip() -> None:
    """Union, then square, then a margin of a tenth; computed by hand."""
    together = enclose([Box(100, 80, 160, 150), Box(110, 60, 180, 140)])
    assert together == (100, 60, 180, 150)
    square = make_square(together)
    assert square == (95, 60, 185, 150)
    assert expand(square, 0.1) == (86, 51, 194, 159)


def test_rounding_keeps_a_square_square() -> None:
    for shift in np.linspace(0, 1, 11):
        box = round_to_pixels(Box(10 + shift, 20.5, 40.4 + shift, 50.9))
        assert box.width == box.height == 30
        assert all(float(edge).is_integer() for edge in box)


def test_boxes_relative_to_the_frame() -> None:
    assert is_within(Box(0, 0, 20, 10), 20, 10)
    assert not is_within(Box(0, 0, 20.5, 10), 20, 10)
    assert not is_within(Box(-1, 0, 5, 5), 20, 10)
    assert move_into_frame(Box(-3, 4, 5, 12), 20, 10) == (0, 2, 8, 10)
    assert move_into_frame(Box(3, 1, 11, 9), 20, 10) == (3, 1, 11, 9)
    assert clip_to_frame(Box(-3, 4, 5, 12), 20, 10) == (0, 4, 5, 10)
    assert scale(Box(1, 2, 3, 4), 2.5) == (2.5, 5, 7.5, 10)


@pytest.mark.parametrize("shape", [(64, 64), (65, 40), (40, 65), (33, 64)])
def test_the_central_square_is_the_one_of_training(shape: tuple[int, int]) -> None:
    image = noise(*shape)
    for size in (16, min(shape)):
        cut = crop_and_resize(image, central_square(*shape), size)
        np.testing.assert_array_equal(cut, square_frame(image, size))


def test_a_box_beyond_the_frame_is_clipped_and_distorted() -> None:
    image = noise(40, 30)
    cut = crop_and_resize(image, Box(-5, 10, 15, 50), 16)
    expected = Image.fromarray(image[10:30, 0:15]).resize((16, 16), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(cut, np.array(expected))


def test_a_crop_is_a_copy() -> None:
    image = noise(20, 20)
    crop_and_resize(image, Box(0, 0, 16, 16), 16)[:] = 0
    np.testing.assert_array_equal(image, noise(20, 20))


def test_shrinking_is_antialiased() -> None:
    """Stripes of one pixel become grey. Nearest-neighbour sampling would give black or white."""
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    inner = crop_and_resize(stripes, Box(0, 0, 64, 64), 16)[:, 2:-2]
    assert np.abs(inner.astype(int) - 127).max() < 10
