import numpy as np
import pytest
import torch
from _helpers.simple_fields import affine_field, translation

from cpabmm_core.cpab import Tessellation, VelocitySpace
from cpabmm_core.visualize import Picture, overlay_grid, plot_deformation_grid
from cpabmm_core.visualize.grids import deformed_lattice

SPACE = VelocitySpace(Tessellation(2, 1))


def black(height: int, width: int) -> Picture:
    return np.zeros((height, width, 3), dtype=np.uint8)


def test_the_identity_grid_gives_straight_lines_through_pixel_centres() -> None:
    axis = np.linspace(-1, 1, 3)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    picture = overlay_grid(black(41, 41), grid)[..., 0]
    assert (picture[20] > 200).all()
    np.testing.assert_array_equal(np.argwhere(picture[:, 10] > 127).ravel(), [0, 20, 40])
    np.testing.assert_array_equal(np.argwhere(picture[10, :] > 127).ravel(), [0, 20, 40])


def test_spacing_skips_lines_but_not_their_points() -> None:
    x, y = np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-1, 1, 5))
    bent = np.stack([x, y + 0.2 * (x == 0.5)], axis=-1)
    picture = overlay_grid(black(41, 41), bent, spacing=2)[..., 0]
    np.testing.assert_array_equal(np.argwhere(picture[15] > 200).ravel(), [0, 20, 40])
    assert picture[24, 30] > picture[20, 30]


def test_a_grid_is_clipped_to_the_image() -> None:
    axis = np.array([-3.0, 0.0, 3.0])
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    picture = overlay_grid(black(21, 21), grid, colour=(255, 0, 0))
    assert picture.shape == (21, 21, 3)
    assert (picture[10, :, 0] > 200).all()
    assert not picture[..., 1:].any()
    assert not picture[3, 3].any()


def test_the_lattice_follows_the_transformation() -> None:
    """The flow of v = (a x, b) for a unit of time is (e^a x, y + b)."""
    still = deformed_lattice(SPACE, torch.zeros(1, SPACE.dim))
    moved = deformed_lattice(SPACE, affine_field(SPACE, (0.3, 0, 0), (0, 0, -0.2)))
    x, y = still[..., 0], still[..., 1]
    assert still[0, 0].tolist() == [0, 0]
    assert still[-1, -1].tolist() == [1, 1]
    np.testing.assert_allclose(moved[..., 0], np.exp(0.3) * x, atol=1e-9)
    np.testing.assert_allclose(moved[..., 1], y - 0.2, atol=1e-9)


def test_lines_at_rest_are_straight_and_stronger_on_the_tessellation() -> None:
    picture = plot_deformation_grid(SPACE, torch.zeros(1, SPACE.dim), 201)
    margin = (picture.shape[1] - 201) // 2
    darkness = 255 - picture.min(axis=2).astype(int)
    row = darkness[margin + 125]
    lines = margin + np.arange(0, 201, 25)  # 2 squares of 4 lines
    between = np.setdiff1d(np.arange(len(row)), np.add.outer(lines, [-2, -1, 0, 1, 2]))
    assert (row[lines] > 40).all()
    assert not row[between].any()
    assert row[lines[[0, 4, 8]]].min() > row[lines[[1, 2, 3, 5, 6, 7]]].max()


def test_the_margin_grows_with_a_shift_up_to_a_bound() -> None:
    still = plot_deformation_grid(SPACE, torch.zeros(1, SPACE.dim), 200)
    moved = plot_deformation_grid(SPACE, translation(SPACE, 0.25, 0), 200)
    assert moved.shape[0] == still.shape[0]
    assert moved.shape[1] == still.shape[1] + 50
    wild = plot_deformation_grid(SPACE, translation(SPACE, 40.0, 0), 200)
    assert wild.shape[1] < 2 * 200


@pytest.mark.parametrize(("height", "width"), [(40, 80), (80, 40), (1, 1), (3, 400)])
def test_the_proportions_of_the_image_are_kept(height: int, width: int) -> None:
    image = np.full((height, width, 3), 60, dtype=np.uint8)
    picture = plot_deformation_grid(SPACE, torch.zeros(1, SPACE.dim), 160, image)
    shown = np.argwhere((np.abs(picture.astype(int) - 60) <= 2).all(axis=2))
    extent = np.ptp(shown, axis=0) + 1
    expected = np.maximum(160 * np.array([height, width]) / max(height, width), 32)
    np.testing.assert_allclose(extent, expected, atol=4)


def test_the_image_moves_with_the_grid_and_out_of_the_unit_square() -> None:
    image = np.zeros((101, 101, 3), dtype=np.uint8)
    image[..., 0] = np.linspace(0, 200, 101)  # red grows to the right
    picture = plot_deformation_grid(SPACE, translation(SPACE, 0.3, 0.0), 101, image)
    left = 3  # a margin of 0.03 sides
    middle = picture[3 + 56]  # between two lines
    assert middle[left + 15].tolist() == [255, 255, 255]
    for x in (35, 70, 95, 125):
        assert middle[left + x, 0] == pytest.approx(2 * (x - 30), abs=2)
        assert not middle[left + x, 1:].any()
