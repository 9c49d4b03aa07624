import numpy as np
import pytest

from cpabmm_core.visualize import candidate_colours, overlay_keypoints, plot_contributions

GREY, WHITE = (115, 115, 115), (255, 255, 255)


@pytest.mark.parametrize(
    ("count", "groups", "coloured"),
    [(12, 10, 10), (11, 10, 10), (3, None, 2), (1, None, 0), (1, 4, 0), (2, None, 1), (2, 1, 1)],
)
def test_every_candidate_has_a_colour_of_its_own(
    count: int, groups: int | None, coloured: int
) -> None:
    colours = candidate_colours(count, groups)
    assert len(colours) == len(set(colours)) == count
    assert colours[0] == GREY
    assert all(colour not in (GREY, WHITE) for colour in colours[1 : coloured + 1])
    assert colours[coloured + 1 :] == [WHITE] * (count - 1 - coloured)


def test_a_group_has_the_colour_of_its_keypoints() -> None:
    black = np.zeros((41, 41, 3), np.uint8)
    points = np.zeros((6, 2))
    for group in range(3):
        points[:] = 2  # outside the picture
        points[2 * group] = 0
        picture = overlay_keypoints(black, points, groups=3, radius=8)
        assert tuple(picture[20, 20]) == candidate_colours(4, 3)[group + 1]


def test_colours_are_mixed_by_weight() -> None:
    weights = np.zeros((3, 1, 3))
    weights[0, 0, 0] = weights[1, 0, 1] = 1
    weights[:, 0, 2] = 0.5, 0.5, 0
    grey, red, mixed = plot_contributions(weights)[0].astype(int)
    assert tuple(grey) == GREY
    np.testing.assert_allclose(mixed, (grey + red) / 2, atol=1)


def test_a_picture_shows_through_in_grey() -> None:
    weights = np.ones((1, 1, 2))
    image = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    dark, light = plot_contributions(weights, image=image)[0].astype(int)
    assert (dark < GREY).all()
    assert (light > GREY).all()
