import numpy as np

from cpabmm_core.visualize import side_by_side


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
