"""Transforms of a 3 x 3 convolution after upsampling by 2 (nearest neighbour), for 16 channels.

Along an axis, with weights w0, w1, w2, their sum s and the differences d[i] = x[i] - x[i - 1] of
the input,

    y[2 i] = w0 x[i - 1] + (w1 + w2) x[i] = s x[i] - w0 d[i]
    y[2 i + 1] = (w0 + w1) x[i] + w2 x[i + 1] = s x[i] + w2 d[i + 1].

So two results need three products in place of six, and 2 x 2 results nine in place of 36.
"""

import numpy as np

from cpabmm_core.arrays import Array
from cpabmm_core.convolution.simd import LANES, Pointer, inlined, load, moved, store

PATCH, STEP, TILE, POSITIONS = 3, 1, 2, 9


def filter_matrix() -> Array:
    """Return the transform (3, 3) of a filter along an axis."""
    return np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


@inlined
def transform_patches(
    x: Pointer, row: int, column: int, count: int, _work: Pointer, result: Pointer, plane: int
) -> None:
    """Write the 9 transformed values of patches side by side, one to each plane."""
    before0, before1, before2 = _differences(x, row)
    here0, here1, here2 = _differences(moved(x, column), row)
    for t in range(count):
        after0, after1, after2 = _differences(moved(x, (t + 2) * column), row)
        to = moved(result, t * LANES)
        store(to, 0, here0)
        store(to, plane, here0 - before0)
        store(to, 2 * plane, after0 - here0)
        store(to, 3 * plane, here1)
        store(to, 4 * plane, here1 - before1)
        store(to, 5 * plane, after1 - here1)
        store(to, 6 * plane, here2)
        store(to, 7 * plane, here2 - before2)
        store(to, 8 * plane, after2 - here2)
        before0, before1, before2 = here0, here1, here2
        here0, here1, here2 = after0, after1, after2


@inlined
def _differences(x, row):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Return the middle one of three vectors and its differences from those around it."""
    here = load(x, row)
    return here, here - load(x, 0), load(x, 2 * row) - here


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
