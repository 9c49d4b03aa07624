import numpy as np
import torch
from _helpers.simple_fields import translation

from cpabmm_core.cpab import Tessellation, VelocitySpace
from cpabmm_core.visualize import Picture, plot_transformation

SPACE = VelocitySpace(Tessellation(2, 2))
POINT = np.array([[0.3, 0.4]])
NONE = np.empty((0, 2))
STILL = torch.zeros(1, SPACE.dim, dtype=torch.float64)


def near(picture: Picture, colour: tuple[int, int, int]) -> np.ndarray:
    close: np.ndarray = np.abs(picture.astype(int) - colour).max(axis=2) < 45
    return close


def orange(picture: Picture) -> np.ndarray:
    return near(picture, (224, 70, 28))


def teal(picture: Picture) -> np.ndarray:
    return near(picture, (12, 132, 120))


def middle(mask: np.ndarray) -> np.ndarray:
    """Return the centre (x, y) of the box around the marked pixels."""
    rows, columns = np.nonzero(mask)
    return np.array([columns.min() + columns.max(), rows.min() + rows.max()]) / 2


def test_the_arrow_ends_at_the_moved_point_and_the_ring_marks_the_target() -> None:
    margin = 12  # 0.03 sides
    picture = plot_transformation(
        SPACE, translation(SPACE, 0.0, 0.25), POINT, POINT + np.array([0.2, 0.1]), None, 401
    )
    # The grid moves down by a quarter, so the margin grows below and not above.
    left = picture[:, : 401 + 2 * margin]
    rows, columns = np.nonzero(orange(left))
    np.testing.assert_allclose(columns.mean() - margin, 0.3 * 400, atol=1)
    assert abs(rows.max() - margin - 0.65 * 400) < 3
    assert abs(rows.min() - margin - 0.4 * 400) < 6
    widths = orange(left).sum(axis=1)
    head, tail = widths[rows.max() - 15 : rows.max()], widths[rows.min() : rows.min() + 15]
    assert head.max() > 1.15 * tail.max()
    np.testing.assert_allclose(middle(teal(left)) - margin, [0.5 * 400, 0.5 * 400], atol=1.5)


def test_a_plot_has_two_parts_and_three_with_an_image() -> None:
    theta = translation(SPACE, 0.1, 0.0)
    image = np.full((60, 60, 3), (90, 90, 160), dtype=np.uint8)
    without = plot_transformation(SPACE, theta, POINT, POINT + 0.1, None, 200)
    with_image = plot_transformation(SPACE, theta, POINT, POINT + 0.1, image, 200)
    assert without.shape[0] == with_image.shape[0]
    assert 2 * 200 < without.shape[1] < 3 * 200 < with_image.shape[1] < 4 * 200
    first, second = with_image[:, :212], with_image[:, 212:450]
    assert orange(first).any()
    assert not orange(second).any()
    assert (second == (90, 90, 160)).all(axis=2).mean() > 0.4


def test_a_plot_without_points_has_no_markers() -> None:
    picture = plot_transformation(SPACE, STILL, NONE, NONE, None, 200)
    assert not orange(picture).any()
    assert not teal(picture).any()
    assert picture.std() > 1


def test_points_outside_the_square_are_visible() -> None:
    outside = np.array([[1.4, 0.5]])
    picture = plot_transformation(SPACE, STILL, outside, outside, None, 200)
    assert picture.shape[1] > 2 * 200 + 0.4 * 200
    np.testing.assert_allclose(middle(teal(picture)), [6 + 1.4 * 199, 6 + 0.5 * 199], atol=1.5)


def test_the_image_is_not_changed() -> None:
    image = np.full((30, 30, 3), 120, dtype=np.uint8)
    plot_transformation(SPACE, STILL, POINT, POINT, image, 100)
    assert (image == 120).all()
