import numpy as np

from cpabmm_core.cpab import Tessellation
from cpabmm_core.visualize import Picture, plot_tessellation

SIZE, MARGIN = 201, 6  # the margin is 0.03 sides


def is_line(picture: Picture, x: float, y: float) -> bool:
    """Return whether a point of the unit square is dark."""
    column, row = (MARGIN + round(place * (SIZE - 1)) for place in (x, y))
    return bool(picture[row, column].max() < 150)


def test_edges_are_lines_and_triangles_are_empty() -> None:
    picture = plot_tessellation(Tessellation(2, 1), SIZE)
    for x, y in ((0.5, 0.3), (0.2, 0.0), (1.0, 0.7), (0.125, 0.25), (0.875, 0.25), (0.25, 0.5)):
        assert is_line(picture, x, y), (x, y)
    for x, y in ((0.25, 0.2), (0.4, 0.5), (0.25, 0.8), (0.1, 0.5)):
        assert not is_line(picture, x, y), (x, y)


def test_the_image_shows_between_the_lines() -> None:
    image = np.full((40, 80, 3), (10, 120, 60), dtype=np.uint8)
    picture = plot_tessellation(Tessellation(1, 1), SIZE, image)
    assert picture.shape == (100 + 2 * MARGIN, SIZE + 2 * MARGIN, 3)
    assert ((picture == (10, 120, 60)).all(axis=2)).mean() > 0.7
    assert (image == (10, 120, 60)).all()
