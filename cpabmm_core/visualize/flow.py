"""Optical flow as colours: hue for the direction, saturation for the distance."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.visualize.canvas import Picture

_STEPS = 256  # of the table of colours, in each direction
_DARKENING = 0.12  # of the strongest colours, which sets them off from their pale neighbours


def plot_flow(
    movement: NDArray[Any],  # (H, W, 2)
    top: float,
) -> Picture:  # (H, W, 3)
    """Render movements as colours of a wheel: white where nothing moves.

    The hue is the direction, as in the usual colour code of optical flow: red to the right, yellow
    downwards, green-blue to the left, and blue-violet upwards. The saturation grows with the
    distance. `plot_flow_wheel` renders the legend.

    Convention:
        (x, y), x to the right and y downwards.

    Args:
        movement: the movement at each pixel, in any unit.
        top: the distance, in the same unit, from which on colours are fully saturated.

    Returns:
        The picture, one pixel per movement.

    Example:
        >>> moving = np.array([[[0.0, 0.0], [1.0, 0.0]]])  # at rest, and to the right
        >>> plot_flow(moving, top=1.0).tolist()
        [[[255, 255, 255], [224, 0, 0]]]
    """
    relative = np.asarray(movement, np.float64) / top
    distance = np.linalg.norm(relative, axis=-1, keepdims=True)
    relative = relative / np.maximum(distance, 1)
    column, row = np.moveaxis(np.rint((relative + 1) / 2 * _STEPS).astype(np.intp), -1, 0)
    colours: Picture = _colours()[row, column]
    return colours


def plot_flow_wheel(size: int) -> Picture:  # (size, size, 3)
    """Render the legend of `plot_flow`: a disc with the colour of every movement, on white.

    Args:
        size: diameter of the disc in pixels.

    Example:
        >>> wheel = plot_flow_wheel(9)
        >>> wheel[4, 4].tolist(), wheel[4, 8].tolist()  # the centre, and the rim on the right
        ([255, 255, 255], [224, 0, 0])
    """
    axis = np.linspace(-1, 1, size)
    positions = np.stack(np.meshgrid(axis, axis), axis=-1)
    wheel = plot_flow(positions, top=1.0)
    wheel[np.linalg.norm(positions, axis=-1) > 1 + 1 / size] = 255
    return wheel


@lru_cache(maxsize=1)
def _colours() -> Picture:  # (_STEPS + 1, _STEPS + 1, 3)
    """Return the colours of the movements from -1 to 1, with y along the rows."""
    from skimage.color import hsv2rgb  # slow to import, and few commands need it

    axis = np.linspace(-1, 1, _STEPS + 1)
    x, y = np.meshgrid(axis, axis)
    distance = np.minimum(np.hypot(x, y), 1)
    hue = np.arctan2(y, x) / (2 * np.pi) % 1
    hsv = np.stack([hue, distance, 1 - _DARKENING * distance], axis=-1)
    rgb: Picture = np.rint(hsv2rgb(hsv) * 255).astype(np.uint8)
    rgb.setflags(write=False)
    return rgb
