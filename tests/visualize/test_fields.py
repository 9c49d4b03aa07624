import numpy as np
import pytest
import torch
from _helpers.simple_fields import affine_field, translation

from cpabmm_core.cpab import Tessellation, VelocitySpace, transform
from cpabmm_core.visualize import Picture, draw_velocity_field
from cpabmm_core.visualize.fields import velocities

SPACE = VelocitySpace(Tessellation(3, 2))
POINTS = np.random.default_rng(0).uniform(-0.2, 1.2, (50, 2))


def coloured(picture: Picture) -> np.ndarray:
    """Pixels of arrows: neither paper nor the pale grey of the triangles."""
    marked: np.ndarray = np.ptp(picture.astype(int), axis=2) > 60
    return marked


def test_velocities_of_an_affine_field_are_the_field() -> None:
    theta = affine_field(SPACE, (0.3, -0.1, 0.2), (0.5, 0.4, -0.6))
    x, y = POINTS.T
    expected = np.stack([0.3 * x - 0.1 * y + 0.2, 0.5 * x + 0.4 * y - 0.6], axis=1)
    np.testing.assert_allclose(velocities(SPACE, theta, POINTS), expected, atol=1e-12)


def test_velocities_are_how_the_transformation_starts() -> None:
    """d/dt of T^(t theta)(x) at t = 0, by a central difference."""
    theta = torch.randn(1, SPACE.dim, generator=torch.Generator().manual_seed(0)).double()
    points, step = torch.from_numpy(POINTS)[None], 1e-5
    ahead, behind = (transform(SPACE, t * theta, points)[0] for t in (step, -step))
    difference = ((ahead - behind) / (2 * step)).numpy()
    np.testing.assert_allclose(velocities(SPACE, theta, POINTS), difference, atol=1e-6)


def test_a_constant_field_is_equal_arrows_of_one_colour() -> None:
    drawn = draw_velocity_field(SPACE, translation(SPACE, 0.1, 0.0), 420)
    arrows = coloured(drawn)
    rows = np.flatnonzero(arrows.any(axis=1))
    heads = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    assert len(heads) == 21
    strongest = drawn[arrows][np.ptp(drawn[arrows].astype(int), axis=1).argmax()]
    assert (np.abs(drawn[arrows].astype(int) - strongest).max(axis=1) < 2).any()
    middle = drawn[round(np.mean(heads[10]))]
    assert coloured(middle[None])[0].mean() > 0.8  # arrow after arrow along the line


@pytest.mark.parametrize(("x", "y"), [(0.1, 0.0), (-0.1, 0.0), (0.0, 0.1), (0.0, -0.1)])
def test_arrows_point_where_the_field_goes(x: float, y: float) -> None:
    """An arrow is wider towards its head: its ink lies ahead of its middle."""
    drawn = draw_velocity_field(SPACE, translation(SPACE, x, y), 630)
    distance = 630 / 21
    margin = (drawn.shape[0] - 630) / 2
    top = round(margin + 10 * distance)  # the cell around one lattice point
    cell = coloured(drawn)[top : top + 30, top : top + 30]
    rows, columns = np.nonzero(cell)
    ahead = np.array([columns.mean(), rows.mean()]) - 14.5
    assert ahead @ np.array([x, y]) / 0.1 > 1.5
    assert abs(ahead @ np.array([y, x]) / 0.1) < 1


def test_faster_is_longer_and_of_another_colour() -> None:
    drawn = draw_velocity_field(SPACE, affine_field(SPACE, (0.2, 0, 0), (0, 0, 0)), 420)
    ink = coloured(drawn).sum(axis=0)
    assert ink[300:400].sum() > 2 * ink[100:200].sum()
    red, _, blue = drawn[coloured(drawn)].mean(axis=0)
    slow_red, _, slow_blue = drawn[:, :150][coloured(drawn[:, :150])].mean(axis=0)
    assert slow_blue - slow_red > blue - red


def test_no_motion_is_a_dot_for_each_arrow() -> None:
    drawn = draw_velocity_field(SPACE, torch.zeros(1, SPACE.dim), 630)
    margin = (drawn.shape[0] - 630) // 2
    centres = np.rint(margin + 629 * (np.arange(21) + 0.5) / 21).astype(int)
    assert (drawn[np.ix_(centres, centres)].max(axis=2) < 215).all()
    assert (drawn.min(axis=2) < 140).sum() == 0


def test_the_image_shows_through_faded() -> None:
    image = np.zeros((50, 100, 3), dtype=np.uint8)
    image[..., 2] = 250
    drawn = draw_velocity_field(SPACE, torch.zeros(1, SPACE.dim), 200, image)
    blue = drawn.astype(int)[..., 2] - drawn[..., 0]
    assert (blue > 80).mean() > 0.7
    assert drawn.shape[1] - drawn.shape[0] == 100
    assert (drawn[0] == 255).all()
