import numpy as np
import pytest
import torch
from _helpers.simple_fields import affine_field, translation

from cpabmm_core.cpab import Tessellation, VelocitySpace, transform
from cpabmm_core.visualize import Picture, plot_velocity_field
from cpabmm_core.visualize.fields import velocities

SPACE = VelocitySpace(Tessellation(3, 2))
POINTS = np.random.default_rng(0).uniform(-0.2, 1.2, (50, 2))


def coloured(picture: Picture) -> np.ndarray:
    """Return the pixels of arrows: neither white nor the pale grey of the triangles."""
    marked: np.ndarray = np.ptp(picture.astype(int), axis=2) > 60
    return marked


def test_velocities_of_an_affine_field_are_the_field() -> None:
    theta = affine_field(SPACE, (0.3, -0.1, 0.2), (0.5, 0.4, -0.6))
    x, y = POINTS.T
    expected = np.stack([0.3 * x - 0.1 * y + 0.2, 0.5 * x + 0.4 * y - 0.6], axis=1)
    np.testing.assert_allclose(velocities(SPACE, theta, POINTS), expected, atol=1e-12)


def test_velocities_are_the_derivative_of_the_transformation_in_time() -> None:
    """d/dt of T^(t theta)(x) at t = 0, by a central difference."""
    theta = torch.randn(1, SPACE.dim, generator=torch.Generator().manual_seed(0)).double()
    points, step = torch.from_numpy(POINTS)[None], 1e-5
    ahead, behind = (transform(SPACE, t * theta, points)[0] for t in (step, -step))
    difference = ((ahead - behind) / (2 * step)).numpy()
    np.testing.assert_allclose(velocities(SPACE, theta, POINTS), difference, atol=1e-6)


def test_a_constant_field_gives_equal_arrows_of_one_colour() -> None:
    picture = plot_velocity_field(SPACE, translation(SPACE, 0.1, 0.0), 420)
    arrows = coloured(picture)
    rows = np.flatnonzero(arrows.any(axis=1))
    heads = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    assert len(heads) == 21
    strongest = picture[arrows][np.ptp(picture[arrows].astype(int), axis=1).argmax()]
    assert (np.abs(picture[arrows].astype(int) - strongest).max(axis=1) < 2).any()
    middle = picture[round(np.mean(heads[10]))]
    assert coloured(middle[None])[0].mean() > 0.8  # arrows follow one another along the row


@pytest.mark.parametrize(("x", "y"), [(0.1, 0.0), (-0.1, 0.0), (0.0, 0.1), (0.0, -0.1)])
def test_arrows_point_along_the_field(x: float, y: float) -> None:
    """An arrow is wider towards its head: most of its pixels lie ahead of its middle."""
    picture = plot_velocity_field(SPACE, translation(SPACE, x, y), 630)
    distance = 630 / 21
    margin = (picture.shape[0] - 630) / 2
    top = round(margin + 10 * distance)  # the cell around one lattice point
    cell = coloured(picture)[top : top + 30, top : top + 30]
    rows, columns = np.nonzero(cell)
    ahead = np.array([columns.mean(), rows.mean()]) - 14.5
    assert ahead @ np.array([x, y]) / 0.1 > 1.5
    assert abs(ahead @ np.array([y, x]) / 0.1) < 1


def test_faster_arrows_are_longer_and_change_colour() -> None:
    picture = plot_velocity_field(SPACE, affine_field(SPACE, (0.2, 0, 0), (0, 0, 0)), 420)
    marked = coloured(picture).sum(axis=0)
    assert marked[300:400].sum() > 2 * marked[100:200].sum()
    red, _, blue = picture[coloured(picture)].mean(axis=0)
    slow_red, _, slow_blue = picture[:, :150][coloured(picture[:, :150])].mean(axis=0)
    assert slow_blue - slow_red > blue - red


def test_a_field_at_rest_gives_dots() -> None:
    picture = plot_velocity_field(SPACE, torch.zeros(1, SPACE.dim), 630)
    margin = (picture.shape[0] - 630) // 2
    centres = np.rint(margin + 629 * (np.arange(21) + 0.5) / 21).astype(int)
    assert (picture[np.ix_(centres, centres)].max(axis=2) < 215).all()
    assert (picture.min(axis=2) < 140).sum() == 0


def test_the_image_is_shown_faded() -> None:
    image = np.zeros((50, 100, 3), dtype=np.uint8)
    image[..., 2] = 250
    picture = plot_velocity_field(SPACE, torch.zeros(1, SPACE.dim), 200, image)
    blue = picture.astype(int)[..., 2] - picture[..., 0]
    assert (blue > 80).mean() > 0.7
    assert picture.shape[1] - picture.shape[0] == 100
    assert (picture[0] == 255).all()
