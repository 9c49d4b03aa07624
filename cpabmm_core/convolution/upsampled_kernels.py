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
from cpabmm_core.convolution.simd import load, store

PATCH, STEP, TILE, POSITIONS = 3, 1, 2, 9


def filter_matrix() -> Array:
    """Return the transform (3, 3) of a filter along an axis."""
    return np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


@njit(nogil=True)
def _input_line(x, at, step):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    before, here, after = load(x, at), load(x, at + step), load(x, at + 2 * step)
    return here, here - before, after - here


@njit(nogil=True)
def transform_patch(
    x: Floats, at: int, row: int, column: int, result: Floats, to: int, plane: int
) -> None:
    """Write the 9 transformed values of a patch, one to each plane."""
    c0 = _input_line(x, at, row)
    c1 = _input_line(x, at + column, row)
    c2 = _input_line(x, at + 2 * column, row)
    for i in range(3):
        store(result, to + 3 * i * plane, c1[i])
        store(result, to + (3 * i + 1) * plane, c1[i] - c0[i])
        store(result, to + (3 * i + 2) * plane, c2[i] - c1[i])


@njit(nogil=True)
def _output_line(m, at, step):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    whole = load(m, at)
    return whole - load(m, at + step), whole + load(m, at + 2 * step)


@njit(nogil=True)
def transform_products(
    m: Floats, at: int, plane: int, bias: Floats, first: int, result: Floats, to: int, row: int, column: int
) -> None:
    """Write the 2 x 2 results of a pixel."""
    c0 = _output_line(m, at, 3 * plane)
    c1 = _output_line(m, at + plane, 3 * plane)
    c2 = _output_line(m, at + 2 * plane, 3 * plane)
    constant = load(bias, first)
    for i in range(2):
        whole = c0[i] + constant
        store(result, to + i * row, whole - c1[i])
        store(result, to + i * row + column, whole + c2[i])
