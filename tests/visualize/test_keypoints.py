import numpy as np
import pytest

from cpabmm_core.visualize import Picture, overlay_keypoints


def black(height: int, width: int) -> Picture:
    return np.zeros((height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("point", "pixel"),
    [((-1, -1), (0, 0)), ((1, -1), (0, 40)), ((0, 0), (10, 20)), ((0, 1), (20, 20))],
)
def test_a_keypoint_appears_at_its_pixel(
    point: tuple[float, float], pixel: tuple[int, int]
) -> None:
    image = black(21, 41)
    picture = overlay_keypoints(image, np.array([point]), radius=2)
    lit = np.argwhere(picture.max(axis=2) > 0)
    assert picture[pixel].max() == 255
    assert np.abs(lit - pixel).max() <= 3
    assert not image.any()


def test_points_of_one_group_share_a_colour() -> None:
    points = np.array([[-0.75, 0], [-0.25, 0], [0.25, 0], [0.75, 0]])
    picture = overlay_keypoints(black(33, 65), points, groups=2, radius=3)
    first, second, third, fourth = (picture[16, x] for x in (8, 24, 40, 56))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(third, fourth)
    assert (first != third).any()


def test_no_keypoints_leave_the_image_unchanged() -> None:
    image = np.full((5, 7, 3), 90, dtype=np.uint8)
    np.testing.assert_array_equal(overlay_keypoints(image, np.empty((0, 2))), image)
