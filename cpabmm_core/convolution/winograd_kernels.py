"""Transforms of Winograd's convolution F(4 x 4, 3 x 3) (Lavin and Gray, 2016), for 16 channels.

A 4 x 4 tile of the result needs a 6 x 6 patch of the input. Along each axis the transforms evaluate
and interpolate polynomials at 0, +-A, +-B and infinity. So 36 products per channel replace 144.
"""

import numpy as np
from numba import njit

from cpabmm_core.arrays import Array, Floats
from cpabmm_core.convolution.simd import load, splat, store

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


@njit(nogil=True)
def _input(d0, d1, d2, d3, d4, d5):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    total, product = splat(_SUM), splat(_PRODUCT)
    even, odd = d4 - splat(_B2) * d2, splat(_A) * (d3 - splat(_B2) * d1)
    even2, odd2 = d4 - splat(_A2) * d2, splat(_B) * (d3 - splat(_A2) * d1)
    return (
        product * d0 - total * d2 + d4,
        even + odd,
        even - odd,
        even2 + odd2,
        even2 - odd2,
        product * d1 - total * d3 + d5,
    )


@njit(nogil=True)
def _output(m0, m1, m2, m3, m4, m5):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    sum1, difference1 = m1 + m2, m1 - m2
    sum2, difference2 = m3 + m4, m3 - m4
    return (
        m0 + sum1 + sum2,
        splat(_A) * difference1 + splat(_B) * difference2,
        splat(_A2) * sum1 + splat(_B2) * sum2,
        splat(_A3) * difference1 + splat(_B3) * difference2 + m5,
    )


@njit(nogil=True)
def _input_line(x, at, step):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    return _input(
        load(x, at),
        load(x, at + step),
        load(x, at + 2 * step),
        load(x, at + 3 * step),
        load(x, at + 4 * step),
        load(x, at + 5 * step),
    )


@njit(nogil=True)
def transform_patch(
    x: Floats, at: int, row: int, column: int, result: Floats, to: int, plane: int
) -> None:
    """Write the 36 transformed values of a patch, one to each plane."""
    c0 = _input_line(x, at, row)
    c1 = _input_line(x, at + column, row)
    c2 = _input_line(x, at + 2 * column, row)
    c3 = _input_line(x, at + 3 * column, row)
    c4 = _input_line(x, at + 4 * column, row)
    c5 = _input_line(x, at + 5 * column, row)
    for i in range(6):
        values = _input(c0[i], c1[i], c2[i], c3[i], c4[i], c5[i])
        for j in range(6):
            store(result, to + (6 * i + j) * plane, values[j])


@njit(nogil=True)
def _output_line(m, at, step):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    return _output(
        load(m, at),
        load(m, at + step),
        load(m, at + 2 * step),
        load(m, at + 3 * step),
        load(m, at + 4 * step),
        load(m, at + 5 * step),
    )


@njit(nogil=True)
def transform_products(
    m: Floats, at: int, plane: int, bias: Floats, first: int, result: Floats, to: int, row: int, column: int
) -> None:
    """Write the 4 x 4 results of a tile."""
    c0 = _output_line(m, at, 6 * plane)
    c1 = _output_line(m, at + plane, 6 * plane)
    c2 = _output_line(m, at + 2 * plane, 6 * plane)
    c3 = _output_line(m, at + 3 * plane, 6 * plane)
    c4 = _output_line(m, at + 4 * plane, 6 * plane)
    c5 = _output_line(m, at + 5 * plane, 6 * plane)
    constant = load(bias, first)
    for i in range(4):
        values = _output(c0[i], c1[i], c2[i], c3[i], c4[i], c5[i])
        for j in range(4):
            store(result, to + i * row + j * column, values[j] + constant)
