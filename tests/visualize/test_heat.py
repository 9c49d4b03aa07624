import numpy as np
from numpy.typing import NDArray

from cpabmm_core.visualize.heat import heat_colours, heat_map


def lightness(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return CIE L* of sRGB colours by the definitions of sRGB and L*."""
    share = rgb.astype(np.float64) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    root = np.cbrt(luminance)
    return np.where(luminance > (6 / 29) ** 3, 116 * root - 16, luminance * (29 / 3) ** 3)


def test_lightness_increases_evenly_from_black() -> None:
    found = lightness(heat_colours())
    even = np.linspace(0, 96, 256)
    assert np.abs(found - even).max() < 1  # measured: 0.47 of 100, from rounding to 8 bits
    assert (np.diff(found) > 0).mean() > 0.95


def test_values_map_linearly_onto_the_scale() -> None:
    colours = heat_colours()
    values = np.array([[0.0, 0.1, 0.25, 3.0]])
    picture = heat_map(values, 0.25)
    assert picture.shape == (1, 4, 3)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[0], colours[[0, 102, 255, 255]])
    assert picture[0, 0].tolist() == [0, 0, 0]
