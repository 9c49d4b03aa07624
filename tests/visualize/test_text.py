import numpy as np
import pytest

from cpabmm_core.visualize.text import text_line


def ink(picture: np.ndarray) -> np.ndarray:
    """Return the columns and rows of dark pixels, (P, 2)."""
    return np.argwhere(picture.min(axis=-1) < 140)[:, ::-1]


@pytest.mark.parametrize(("width", "height"), [(120, 16), (200, 30), (400, 44)])
def test_a_text_is_centred_and_keeps_clear_of_the_edges(width: int, height: int) -> None:
    picture = text_line("HOH", width, height)
    assert picture.shape == (height, width, 3)
    (left, top), (right, bottom) = ink(picture).min(axis=0), ink(picture).max(axis=0)
    assert abs((left + right) / 2 - (width - 1) / 2) < 2
    assert abs((top + bottom) / 2 - (height - 1) / 2) < 0.1 * height
    assert 0.35 * height < bottom - top + 1 < 0.8 * height


@pytest.mark.parametrize("width", [40, 20, 6])
def test_a_long_text_is_set_smaller(width: int) -> None:
    picture = text_line("Contributions", width, 20)
    assert picture.shape == (20, width, 3)
    roomy = text_line("Contributions", 200, 20)
    assert 0 < (picture < 255).sum() < (roomy < 255).sum()


def test_colours() -> None:
    picture = text_line("H", 30, 30, colour=(255, 255, 255), background=(0, 0, 200))
    assert tuple(picture[0, 0]) == (0, 0, 200)
    assert (picture == 255).all(axis=-1).any()
