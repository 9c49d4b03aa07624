"""Transforms of a 3 x 3 convolution after upsampling by 2 (nearest neighbour), for 16 channels.

Along an axis, with weights w0, w1, w2, their sum s and the differences d[i] = x[i] - x[i - 1] of
the input,

    y[2 i] = w0 x[i - 1] + (w1 + w2) x[i] = s x[i] - w0 d[i]
    y[2 i + 1] = (w0 + w1) x[i] + w2 x[i + 1] = s x[i] + w2 d[i + 1].

So two results need three products in place of six, and 2 x 2 results nine in place of 36.
"""

import numpy as np

from cpabmm_core.arrays import Array
from cpabmm_core.convolution.simd import LANES, Pointer, inlined, load, store

PATCH, STEP, TILE, POSITIONS = 3, 1, 2, 9


def filter_matrix() -> Array:
    """Return the transform (3, 3) of a filter along an axis."""
    return np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


@inlined
def transform_patch(
    x: Pointer, row: int, column: int, work: Pointer, result: Pointer, plane: int
) -> None:
    """Write the 9 transformed values of a patch, one to each plane."""
    for j in range(3):
        _difference(x, j * column, row, work, j * LANES, 3 * LANES)
    for i in range(3):
        _difference(work, 3 * i * LANES, LANES, result, 3 * i * plane, plane)


@inlined
def _difference(x: Pointer, at: int, step: int, result: Pointer, to: int, stride: int) -> None:
    """Transform three vectors `step` numbers apart into three that are `stride` numbers apart."""
    here = load(x, at + step)
    store(result, to, here)
    store(result, to + stride, here - load(x, at))
    store(result, to + 2 * stride, load(x, at + 2 * step) - here)


@inlined
def transform_products(
    m: Pointer,
    plane: int,
    constant: Pointer,
    work: Pointer,
    result: Pointer,
    row: int,
    column: int,
) -> None:
    """Write the 2 x 2 results of a pixel."""
    for j in range(3):
        whole = load(m, j * plane)
        store(work, j * LANES, whole - load(m, (3 + j) * plane))
        store(work, (3 + j) * LANES, whole + load(m, (6 + j) * plane))
    for i in range(2):
        at_row = 3 * i * LANES
        whole = load(work, at_row) + constant
        store(result, i * row, whole - load(work, at_row + LANES))
        store(result, i * row + column, whole + load(work, at_row + 2 * LANES))
