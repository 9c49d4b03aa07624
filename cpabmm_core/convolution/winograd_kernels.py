"""Transforms of Winograd's convolution F(4 x 4, 3 x 3) (Lavin and Gray, 2016), for 16 channels.

A 4 x 4 tile of the result needs a 6 x 6 patch of the input. Along each axis the transforms evaluate
and interpolate polynomials at 0, +-A, +-B and infinity. So 36 products per channel replace 144.
"""

import numpy as np

from cpabmm_core.arrays import Array
from cpabmm_core.convolution.simd import LANES, Pointer, inlined, load, moved, splat, store

PATCH, TILE, POSITIONS = 6, 4, 36
A, B = 1.0, 2.0
_SUM, _PRODUCT = np.float32(A * A + B * B), np.float32(A * A * B * B)
_A, _A2, _A3 = np.float32(A), np.float32(A * A), np.float32(A**3)
_B, _B2, _B3 = np.float32(B), np.float32(B * B), np.float32(B**3)


def filter_matrix() -> Array:
    """Return the transform (6, 3) of a filter along an axis."""
    a, b = A * A, B * B
    rows = [[1 / (a * b), 0.0, 0.0]]
    for point, norm in ((A, a - b), (-A, a - b), (B, b - a), (-B, b - a)):
        scale = 1 / (2 * point * point * norm)
        rows.append([scale, point * scale, point * point * scale])
    return np.array([*rows, [0.0, 0.0, 1.0]])


@inlined
def transform_patches(
    x: Pointer, row: int, column: int, count: int, work: Pointer, result: Pointer, plane: int
) -> None:
    """Write the 36 transformed values of patches side by side, one to each plane."""
    for t in range(count):
        patch = moved(x, TILE * t * column)
        for j in range(6):
            _evaluate(patch, j * column, row, work, j * LANES, 6 * LANES)
        for i in range(6):
            _evaluate(work, 6 * i * LANES, LANES, result, t * LANES + 6 * i * plane, plane)


@inlined
def _evaluate(x: Pointer, at: int, step: int, result: Pointer, to: int, stride: int) -> None:
    """Transform six vectors `step` numbers apart into six that are `stride` numbers apart."""
    d0, d1, d2 = load(x, at), load(x, at + step), load(x, at + 2 * step)
    d3, d4, d5 = load(x, at + 3 * step), load(x, at + 4 * step), load(x, at + 5 * step)
    total, product = splat(_SUM), splat(_PRODUCT)
    even, odd = d4 - splat(_B2) * d2, splat(_A) * (d3 - splat(_B2) * d1)
    even2, odd2 = d4 - splat(_A2) * d2, splat(_B) * (d3 - splat(_A2) * d1)
    store(result, to, product * d0 - total * d2 + d4)
    store(result, to + stride, even + odd)
    store(result, to + 2 * stride, even - odd)
    store(result, to + 3 * stride, even2 + odd2)
    store(result, to + 4 * stride, even2 - odd2)
    store(result, to + 5 * stride, product * d1 - total * d3 + d5)


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
    """Write the 4 x 4 results of a tile."""
    for j in range(6):
        m0, m1, m2, m3 = _interpolate(m, j * plane, 6 * plane)
        store(work, j * LANES, m0)
        store(work, (6 + j) * LANES, m1)
        store(work, (12 + j) * LANES, m2)
        store(work, (18 + j) * LANES, m3)
    for i in range(4):
        y0, y1, y2, y3 = _interpolate(work, 6 * i * LANES, LANES)
        here = i * row
        store(result, here, y0 + constant)
        store(result, here + column, y1 + constant)
        store(result, here + 2 * column, y2 + constant)
        store(result, here + 3 * column, y3 + constant)


@inlined
def _interpolate(m, at, step):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Transform six vectors `step` numbers apart into four."""
    m0, m1, m2 = load(m, at), load(m, at + step), load(m, at + 2 * step)
    m3, m4, m5 = load(m, at + 3 * step), load(m, at + 4 * step), load(m, at + 5 * step)
    sum1, difference1 = m1 + m2, m1 - m2
    sum2, difference2 = m3 + m4, m3 - m4
    return (
        m0 + sum1 + sum2,
        splat(_A) * difference1 + splat(_B) * difference2,
        splat(_A2) * sum1 + splat(_B2) * sum2,
        splat(_A3) * difference1 + splat(_B3) * difference2 + m5,
    )
