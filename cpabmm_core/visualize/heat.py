"""Heat maps: numbers as colours of evenly increasing lightness."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.visualize.canvas import Picture

# CIELAB: lightness increases in equal steps from black through violet, red and orange to pale
# yellow, so that equal differences of the numbers look equal, even in greyscale.
_STOPS = ((0, 0, 0), (24, 22, -24), (48, 54, 4), (72, 30, 54), (96, -8, 32))
_SHADES = 256


def heat_map(
    values: NDArray[Any],  # (H, W)
    top: float,
) -> Picture:  # (H, W, 3)
    """Render values as colours: 0 is black, `top` and above are pale yellow.

    Args:
        values: numbers, at least 0.
        top: the value at which the scale ends.

    Returns:
        The picture, one pixel per value.

    Example:
        >>> heat_map(np.array([[0.0, 0.5, 1.0]]), top=1.0).shape
        (1, 3, 3)
    """
    shades = np.rint(np.clip(values / top, 0, 1) * (_SHADES - 1)).astype(np.intp)
    return heat_colours()[shades]


@lru_cache(maxsize=1)
def heat_colours() -> NDArray[np.uint8]:  # (256, 3) RGB
    """Return the colours of `heat_map` from the lowest value to the highest."""
    from skimage.color import lab2rgb  # slow to import, and few commands need it

    stops = np.array(_STOPS, np.float64)
    places = np.linspace(0, len(stops) - 1, _SHADES)
    lab = np.stack([np.interp(places, range(len(stops)), axis) for axis in stops.T], axis=1)
    rgb: NDArray[np.uint8] = np.rint(lab2rgb(lab) * 255).astype(np.uint8)
    rgb.setflags(write=False)
    return rgb
