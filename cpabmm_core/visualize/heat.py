"""Numbers as colours of evenly rising lightness."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.visualize.painting import Picture

# CIELAB: lightness rises in equal steps, from black by violet, red and orange to pale yellow. Equal
# differences of the numbers then look equal, also in print without colours.
_STOPS = ((0, 0, 0), (24, 22, -24), (48, 54, 4), (72, 30, 54), (96, -8, 32))
_SHADES = 256


def heat(
    values: NDArray[Any],  # (H, W)
    top: float,
) -> Picture:  # (H, W, 3)
    """A picture of the values: 0 is black, `top` and beyond pale yellow."""
    shades = np.rint(np.clip(values / top, 0, 1) * (_SHADES - 1)).astype(np.intp)
    return heat_colours()[shades]


@lru_cache(maxsize=1)
def heat_colours() -> NDArray[np.uint8]:  # (256, 3) RGB
    """The colours of `heat` from the lowest to the highest."""
    from skimage.color import lab2rgb  # slow to import, and few commands paint

    stops = np.array(_STOPS, np.float64)
    places = np.linspace(0, len(stops) - 1, _SHADES)
    lab = np.stack([np.interp(places, range(len(stops)), axis) for axis in stops.T], axis=1)
    rgb: NDArray[np.uint8] = np.rint(lab2rgb(lab) * 255).astype(np.uint8)
    rgb.setflags(write=False)
    return rgb
