"""Transforms of a 3 x 3 convolution after upsampling by 2 (nearest neighbour), for 16 channels.

Along an axis, with weights w0, w1, w2, their sum s and the differences d[i] = x[i] - x[i - 1] of
the input,

    y[2 i] = w0 x[i - 1] + (w1 + w2) x[i] = s x[i] - w0 d[i]
    y[2 i + 1] = (w0 + w1) x[i] + w2 x[i + 1] = s x[i] + w2 d[i + 1].

So two results need three products in place of six, and 2 x 2 results nine in place of 36.
"""

import numpy as np
from numba import njit

from cpabmm_core.arrays import Array, Floats
from cpabmm_core.convolution.simd import LANES, load, store

PATCH, STEP, TILE, POSITIONS = 3, 1, 2, 9


def filter_matrix() -> Array:
    """Return the transform (3, 3) of a filter along an axis."""
    return np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


@njit(nogil=True)
def transform_patch(
    x: Floats, at: int, row: int, column: int, work: Floats, result: Floats, to: int, plane: int
) -> None:
    """Write the 9 transformed values of a patch, one to each plane."""
    for j in range(3):
        _difference(x, at + j * column, row, work, j * LANES, 3 * LANES)
    for i in range(3):
        _difference(work, 3 * i * LANES, LANES, result, to + 3 * i * plane, plane)


@njit(nogil=True)
def _difference(x: Floats, at: int, step: int, result: Floats, to: int, stride: int) -> None:
    """Transform three vectors `step` numbers apart into three that are `stride` numbers apart."""
    here = load(x, at + step)
    store(result, to, here)
    store(result, to + stride, here - load(x, at))
    store(result, to + 2 * stride, load(x, at + 2 * step) - here)


@njit(nogil=True)
def transform_products(
    m: Floats,
    at: int,
    plane: int,
    bias: Floats,
    first: int,
    work: Floats,
    result: Floats,
    to: int,
    row: int,
    column: int,
) -> None:
    """Write the 2 x 2 results of a pixel."""
    for j in range(3):
        whole = load(m, at + j * plane)
        store(work, j * LANES, whole - load(m, at + (3 + j) * plane))
        store(work, (3 + j) * LANES, whole + load(m, at + (6 + j) * plane))
    constant = load(bias, first)
    for i in range(2):
        at_row = 3 * i * LANES
        whole = load(work, at_row) + constant
        store(result, to + i * row, whole - load(work, at_row + LANES))
        store(result, to + i * row + column, whole + load(work, at_row + 2 * LANES))
