"""A slow and readable CPAB transformation, one point at a time in float64.

The tests compare the fast engines with it. It shares only the definition of the cells with them:
it uses Pade approximations of the matrix exponential instead of the closed form, and locates
crossings by sampling and bisection.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.linalg import expm

from cpabmm_core.arrays import Array
from cpabmm_core.cpab.tessellation import Tessellation

_SAMPLES = 64
_BISECTIONS = 60
_OUTSIDE = 1e-14


def transform_point(
    tess: Tessellation,
    affine: Array,  # (cells, 2, 3)
    point: Array,  # (2,) in the unit square or outside
) -> Array:  # (2,)
    """Carry one point along the velocity field for one unit of time."""
    left = 1.0
    while left > 0:
        cell = _owner(tess, point)
        duration = _time_inside(tess, cell, affine[cell], point, left)
        point = _move(affine[cell], point, np.array([duration]))[0]
        left -= duration
    return point


def _move(matrix: Array, point: Array, durations: Array) -> Array:
    """Solve dx/dt = A [x, 1] for T durations by matrix exponentials; the result is (T, 2)."""
    generators = np.zeros((len(durations), 3, 3))
    generators[:, :2] = matrix * durations[:, None, None]
    moved: Array = (expm(generators) @ np.append(point, 1.0))[:, :2]
    return moved


def _owner(tess: Tessellation, point: Array) -> int:
    """Return the cell in which the point lies deepest."""
    depth = (tess.half_planes @ np.append(point, 1.0)).min(axis=1)
    return int(depth.argmax())


def _time_inside(tess: Tessellation, cell: int, matrix: Array, point: Array, left: float) -> float:
    """Return how long the path stays in its cell, at most `left`."""
    planes = tess.half_planes[cell]

    def depth(times: Array) -> Array:
        depths: Array = _move(matrix, point, times) @ planes[:, :2].T + planes[:, 2]
        return depths

    def slope(times: Array) -> Array:
        velocities = _move(matrix, point, times) @ matrix[:, :2].T + matrix[:, 2]
        slopes: Array = velocities @ planes[:, :2].T
        return slopes

    def falling(edge: int, time: Array) -> bool:
        return bool(slope(time)[0, edge] < 0)

    times = np.linspace(0, left, _SAMPLES + 1)
    depths, slopes = depth(times), slope(times)
    for k in range(_SAMPLES):
        inside, outside = times[k], times[k + 1]
        if depths[k + 1].min() >= -_OUTSIDE:
            # The path may leave and return between two samples if a distance has a minimum there.
            turning = np.flatnonzero((slopes[k] < 0) & (slopes[k + 1] > 0))
            lowest = [_bisect(partial(falling, int(e)), inside, outside) for e in turning]
            dips = [t for t in lowest if depth(np.array([t])).min() < -_OUTSIDE]
            if not dips:
                continue
            outside = min(dips)
        return _bisect(lambda t: bool(depth(t).min() >= -_OUTSIDE), inside, outside)
    return left


def _bisect(before: Callable[[Array], bool], lower: float, upper: float) -> float:
    """Return the first time at which `before`, true at `lower`, is false."""
    for _ in range(_BISECTIONS):
        middle = (lower + upper) / 2
        if before(np.array([middle])):
            lower = middle
        else:
            upper = middle
    return upper
