"""Slow and readable CPAB transformation: one point at a time, in float64.

The twin that the fast path is tested against. It shares the definition of the cells with it, but
nothing of the integration: matrix exponentials instead of Taylor polynomials, and crossings found
by sampling and bisection instead of polynomial roots.
"""

import numpy as np
import numpy.typing as npt
from scipy.linalg import expm

from cpabmm_core.cpab.tessellation import Tessellation

Array = npt.NDArray[np.float64]

_SAMPLES = 64
_BISECTIONS = 60
_OUTSIDE = 1e-12


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
        point = _move(affine[cell], point, duration)
        left -= duration
    return point


def _move(matrix: Array, point: Array, duration: float) -> Array:
    """Solution of dx/dt = A [x, 1] after `duration`: a matrix exponential."""
    generator = np.zeros((3, 3))
    generator[:2] = matrix * duration
    moved: Array = (expm(generator) @ np.append(point, 1.0))[:2]
    return moved


def _owner(tess: Tessellation, point: Array) -> int:
    """The cell in which the point lies deepest."""
    depth = (tess.half_planes @ np.append(point, 1.0)).min(axis=1)
    return int(depth.argmax())


def _time_inside(tess: Tessellation, cell: int, matrix: Array, point: Array, left: float) -> float:
    """How long the path stays in its cell, at most `left`."""
    inside = 0.0
    for outside in np.linspace(0, left, _SAMPLES + 1)[1:]:
        if _is_outside(tess, cell, _move(matrix, point, outside)):
            break
        inside = outside
    else:
        return left
    for _ in range(_BISECTIONS):
        middle = (inside + outside) / 2
        if _is_outside(tess, cell, _move(matrix, point, middle)):
            outside = middle
        else:
            inside = middle
    return float(outside)


def _is_outside(tess: Tessellation, cell: int, point: Array) -> bool:
    depth = tess.half_planes[cell] @ np.append(point, 1.0)
    return bool(depth.min() < -_OUTSIDE)
