# mypy: disallow-untyped-decorators=False
"""Small dense linear algebra for CPU kernels, in vectors of eight numbers.

A call of a library costs more than a system of some ten unknowns. Matrices are flat, row by row,
and the length of their rows is a multiple of LANES. Whatever the padding contains must be finite.
"""

import numpy as np

from cpabmm_core.arrays import Array
from cpabmm_core.cpab.engines.lanes import LANES, load, spread, store, total
from cpabmm_core.cpab.engines.paths import compiled, inlined


@inlined
def dot(first: Array, at: int, second: Array, other: int, width: int) -> float:
    """Return the product of two rows that start at `at` and `other`."""
    sums = spread(0.0)
    for k in range(0, width, LANES):
        sums = sums + load(first, at + k) * load(second, other + k)
    product: float = total(sums)
    return product


@inlined
def add_multiple(result: Array, at: int, factor: float, row: Array, other: int, width: int) -> None:
    """Add a multiple of one row to another."""
    for k in range(0, width, LANES):
        store(result, at + k, load(result, at + k) + factor * load(row, other + k))


@compiled
def combine(first: Array, factor: float, second: Array, result: Array) -> None:
    """Write first + factor * second.

    Numba takes seconds to compile assignments to slices of arrays.
    """
    for k in range(len(result)):
        result[k] = first[k] + factor * second[k]


@compiled
def fill(result: Array, value: float) -> None:
    """Write the value to all elements."""
    for k in range(len(result)):
        result[k] = value


@compiled
def product(first: Array, second: Array) -> float:
    """Return the product of two vectors whose length is a multiple of LANES."""
    sums: float = dot(first, np.int64(0), second, np.int64(0), len(first))
    return sums


@compiled
def multiply_rows(matrix: Array, rows: int, width: int, vector: Array, result: Array) -> None:
    """Write the product of a matrix and a vector."""
    for row in range(rows):
        result[row] = dot(matrix, row * width, vector, np.int64(0), width)


@compiled
def transpose(matrix: Array, rows: int, width: int, result: Array, result_width: int) -> None:
    """Write the transpose, its padding filled with zeros."""
    for column in range(width):
        for row in range(rows):
            result[column * result_width + row] = matrix[row * width + column]
        for row in range(rows, result_width):
            result[column * result_width + row] = 0.0


@compiled
def gram(matrix: Array, rows: int, width: int, result: Array) -> None:
    """Write M^T M (width, width), of which only the upper triangle is complete."""
    for i in range(0, width, 4):
        for k in range(i // LANES * LANES, width, LANES):
            sum_0, sum_1, sum_2, sum_3 = spread(0.0), spread(0.0), spread(0.0), spread(0.0)
            for row in range(rows):
                at = row * width
                values = load(matrix, at + k)
                sum_0 = sum_0 + matrix[at + i] * values
                sum_1 = sum_1 + matrix[at + i + 1] * values
                sum_2 = sum_2 + matrix[at + i + 2] * values
                sum_3 = sum_3 + matrix[at + i + 3] * values
            store(result, i * width + k, sum_0)
            store(result, (i + 1) * width + k, sum_1)
            store(result, (i + 2) * width + k, sum_2)
            store(result, (i + 3) * width + k, sum_3)


@compiled
def factorise(matrix: Array, diagonal: float, size: int, width: int, factor: Array) -> None:
    """Write U with U^T U = M + diagonal * I, from the upper triangle of M; NaN if there is none.

    Below the diagonal U is undefined.
    """
    for i in range(size):
        at = i * width
        first = i // LANES * LANES
        for k in range(first, width, LANES):
            # Four sums, so that an addition need not wait for the one before.
            sum_0, sum_1 = load(matrix, at + k), spread(0.0)
            sum_2, sum_3 = spread(0.0), spread(0.0)
            for j in range(0, i - 3, 4):
                row = j * width
                sum_0 = sum_0 - factor[row + i] * load(factor, row + k)
                row += width
                sum_1 = sum_1 - factor[row + i] * load(factor, row + k)
                row += width
                sum_2 = sum_2 - factor[row + i] * load(factor, row + k)
                row += width
                sum_3 = sum_3 - factor[row + i] * load(factor, row + k)
            for j in range(i // 4 * 4, i):
                sum_0 = sum_0 - factor[j * width + i] * load(factor, j * width + k)
            store(factor, at + k, (sum_0 + sum_1) + (sum_2 + sum_3))
        factor[at + i] += diagonal
        scale = 1 / np.sqrt(factor[at + i])
        for k in range(first, width, LANES):
            store(factor, at + k, scale * load(factor, at + k))


@compiled
def solve_factored(factor: Array, size: int, width: int, vector: Array) -> None:
    """Replace b by the solution of U^T U x = b; the padding of b must be 0, and stays so."""
    for i in range(size):
        at, whole = i * width, i // LANES * LANES + LANES
        vector[i] /= factor[at + i]
        for k in range(i + 1, whole):
            vector[k] -= vector[i] * factor[at + k]
        add_multiple(vector, whole, -vector[i], factor, at + whole, width - whole)
    for i in range(size - 1, -1, -1):
        at, whole = i * width, i // LANES * LANES + LANES
        value = vector[i] - dot(factor, at + whole, vector, whole, width - whole)
        for k in range(i + 1, whole):
            value -= factor[at + k] * vector[k]
        vector[i] = value / factor[at + i]
