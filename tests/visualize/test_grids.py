import numpy as np
import pytest
import torch
from _helpers.simple_fields import affine_field, translation

from cpabmm_core.cpab import Tessellation, VelocitySpace
from cpabmm_core.visualize import Picture, draw_deformation_grid, draw_grid
from cpabmm_core.visualize.grids import deformed_lattice

SPACE = VelocitySpace(Tessellation(2, 1))


def black(height: int, width: int) -> Picture:
    return np.zeros((height, width, 3), dtype=np.uint8)


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


def test_the_lattice_goes_where_the_transformation_takes_it() -> None:
    """The flow of v = (a x, b) for a unit of time is (e^a x, y + b)."""
    still = deformed_lattice(SPACE, torch.zeros(1, SPACE.dim))
    moved = deformed_lattice(SPACE, affine_field(SPACE, (0.3, 0, 0), (0, 0, -0.2)))
    x, y = still[..., 0], still[..., 1]
    assert still[0, 0].tolist() == [0, 0]
    assert still[-1, -1].tolist() == [1, 1]
    np.testing.assert_allclose(moved[..., 0], np.exp(0.3) * x, atol=1e-9)
    np.testing.assert_allclose(moved[..., 1], y - 0.2, atol=1e-9)


def test_still_lines_are_straight_and_those_of_the_tessellation_are_stronger() -> None:
    drawn = draw_deformation_grid(SPACE, torch.zeros(1, SPACE.dim), 201)
    margin = (drawn.shape[1] - 201) // 2
    ink = 255 - drawn.min(axis=2).astype(int)
    row = ink[margin + 125]
    lines = margin + np.arange(0, 201, 25)  # 2 squares of 4 lines
    between = np.setdiff1d(np.arange(len(row)), np.add.outer(lines, [-2, -1, 0, 1, 2]))
    assert (row[lines] > 40).all()
    assert not row[between].any()
    assert row[lines[[0, 4, 8]]].min() > row[lines[[1, 2, 3, 5, 6, 7]]].max()


def test_a_shift_is_seen_with_the_room_it_needs() -> None:
    still = draw_deformation_grid(SPACE, torch.zeros(1, SPACE.dim), 200)
    moved = draw_deformation_grid(SPACE, translation(SPACE, 0.25, 0), 200)
    assert moved.shape[0] == still.shape[0]
    assert moved.shape[1] == still.shape[1] + 50
    wild = draw_deformation_grid(SPACE, translation(SPACE, 40.0, 0), 200)
    assert wild.shape[1] < 2 * 200


@pytest.mark.parametrize(("height", "width"), [(40, 80), (80, 40), (1, 1), (3, 400)])
def test_the_proportions_of_the_image_are_kept(height: int, width: int) -> None:
    image = np.full((height, width, 3), 60, dtype=np.uint8)
    drawn = draw_deformation_grid(SPACE, torch.zeros(1, SPACE.dim), 160, image)
    shown = np.argwhere((np.abs(drawn.astype(int) - 60) <= 2).all(axis=2))
    extent = np.ptp(shown, axis=0) + 1
    expected = np.maximum(160 * np.array([height, width]) / max(height, width), 32)
    np.testing.assert_allclose(extent, expected, atol=4)


def test_the_image_moves_with_the_grid_also_out_of_the_frame() -> None:
    image = np.zeros((101, 101, 3), dtype=np.uint8)
    image[..., 0] = np.linspace(0, 200, 101)  # red grows to the right
    drawn = draw_deformation_grid(SPACE, translation(SPACE, 0.3, 0.0), 101, image)
    left = 3  # the room of 0.03 sides
    middle = drawn[3 + 56]  # between two lines
    assert middle[left + 15].tolist() == [255, 255, 255]
    for x in (35, 70, 95, 125):
        assert middle[left + x, 0] == pytest.approx(2 * (x - 30), abs=2)
        assert not middle[left + x, 1:].any()
