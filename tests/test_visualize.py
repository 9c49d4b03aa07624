import numpy as np
import pytest
import torch

from cpabmm_core.cpab import Tessellation, VelocitySpace
from cpabmm_core.visualize import (
    Picture,
    draw_grid,
    draw_keypoints,
    draw_transformation,
    side_by_side,
)


def black(height: int, width: int) -> Picture:
    return np.zeros((height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("point", "pixel"),
    [((-1, -1), (0, 0)), ((1, -1), (0, 40)), ((0, 0), (10, 20)), ((0, 1), (20, 20))],
)
def test_a_keypoint_is_drawn_at_its_pixel(
    point: tuple[float, float], pixel: tuple[int, int]
) -> None:
    image = black(21, 41)
    drawn = draw_keypoints(image, np.array([point]), radius=2)
    lit = np.argwhere(drawn.max(axis=2) > 0)
    assert drawn[pixel].max() == 255
    assert np.abs(lit - pixel).max() <= 3
    assert not image.any()


def test_points_of_one_group_share_a_colour() -> None:
    points = np.array([[-0.75, 0], [-0.25, 0], [0.25, 0], [0.75, 0]])
    drawn = draw_keypoints(black(33, 65), points, groups=2, radius=3)
    first, second, third, fourth = (drawn[16, x] for x in (8, 24, 40, 56))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(third, fourth)
    assert (first != third).any()


def test_no_keypoints_leave_the_image_as_it_is() -> None:
    image = np.full((5, 7, 3), 90, dtype=np.uint8)
    np.testing.assert_array_equal(draw_keypoints(image, np.empty((0, 2))), image)


def test_the_identity_grid_is_straight_lines_through_pixel_centres() -> None:
    axis = np.linspace(-1, 1, 3)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    drawn = draw_grid(black(41, 41), grid)[..., 0]
    assert (drawn[20] > 200).all()
    np.testing.assert_array_equal(np.argwhere(drawn[:, 10] > 127).ravel(), [0, 20, 40])
    np.testing.assert_array_equal(np.argwhere(drawn[10, :] > 127).ravel(), [0, 20, 40])


def test_spacing_leaves_out_lines_but_not_their_points() -> None:
    x, y = np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-1, 1, 5))
    bent = np.stack([x, y + 0.2 * (x == 0.5)], axis=-1)
    drawn = draw_grid(black(41, 41), bent, spacing=2)[..., 0]
    np.testing.assert_array_equal(np.argwhere(drawn[15] > 200).ravel(), [0, 20, 40])
    assert drawn[24, 30] > drawn[20, 30]


def test_a_grid_that_leaves_the_image_is_cut_off() -> None:
    axis = np.array([-3.0, 0.0, 3.0])
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    drawn = draw_grid(black(21, 21), grid, colour=(255, 0, 0))
    assert drawn.shape == (21, 21, 3)
    assert (drawn[10, :, 0] > 200).all()
    assert not drawn[..., 1:].any()
    assert not drawn[3, 3].any()


def test_side_by_side_keeps_every_image_and_centres_the_lower_one() -> None:
    left = np.full((4, 3, 3), 10, dtype=np.uint8)
    right = np.full((2, 5, 3), 20, dtype=np.uint8)
    row = side_by_side([left, right], gap=2, colour=(7, 7, 7))
    assert row.shape == (4, 10, 3)
    np.testing.assert_array_equal(row[:, :3], left)
    np.testing.assert_array_equal(row[1:3, 5:], right)
    assert (row[:, 3:5] == 7).all()
    assert (row[0, 5:] == 7).all()
    assert (row[3, 5:] == 7).all()


def test_a_transformation_is_shown_before_and_after() -> None:
    space = VelocitySpace(Tessellation(2, 2))
    affine = torch.zeros(1, space.tessellation.cells, 2, 3)
    affine[..., 0, 2] = 0.25  # everything moves right by a quarter
    theta = space.coordinates(affine)
    image = black(41, 41)
    image[:, :20] = 90
    points, shift = np.array([[0.25, 0.375]]), np.array([0.25, 0])
    drawn = draw_transformation(space, theta, points, points + shift, image)
    before, after = drawn[:, :41], drawn[:, -41:]
    between_lines = 3
    assert (before[between_lines, [2, 18, 22]] == 90).all(axis=1).tolist() == [True, True, False]
    assert (after[between_lines, [2, 18, 28]] == 90).all(axis=1).tolist() == [False, True, True]
    assert before[15, 10].argmax() == after[15, 20].argmax() == 0
    assert before[15, 10, 0] == after[15, 20, 0] == 255


def test_without_an_image_the_grid_is_drawn_on_grey() -> None:
    space = VelocitySpace(Tessellation(2, 2))
    drawn = draw_transformation(space, torch.zeros(1, space.dim), np.zeros((1, 2)), np.ones((1, 2)))
    height = drawn.shape[0]
    assert drawn.shape[1] > 2 * height
    assert (drawn[5, 20] == drawn[5, 21]).all()
