# mypy: disallow-untyped-decorators=False
"""Exact integration of piecewise-affine fields, compiled for the CPU.

Points move in blocks of eight (`paths`). No block waits for the one with the most crossings, and
intermediate results stay in registers. All kernels release the interpreter lock and work on a range
of points, so that threads can share the work. They take arrays as separate arguments, because a
tuple would add reference counting to the innermost loops.

The tape has a record of each step of a block (`sensitivities`).
"""

import numpy as np

from cpabmm_core.arrays import Array, IntArray
from cpabmm_core.cpab.engines.lanes import (
    LANES,
    Lanes,
    any_of,
    choose,
    first_of,
    floor,
    gather,
    least,
    load,
    numbering,
    scatter_add,
    spread,
    store,
    total,
)
from cpabmm_core.cpab.engines.paths import COLUMNS, SCRATCH, advance, compiled, fill_row, inlined
from cpabmm_core.cpab.engines.sensitivities import (
    RECORD,
    moments,
    transposed_product,
    write_record,
)

Tape = tuple[IntArray, Array]
"""Index of each block's first record; the records, flat."""


@compiled
def multiply(first: Array, second: Array, result: Array) -> None:
    """Add the matrix product of the first two to the third."""
    for i in range(first.shape[0]):
        for j in range(first.shape[1]):
            for k in range(second.shape[1]):
                result[i, k] += first[i, j] * second[j, k]


@compiled
def prepare(
    maps: Array,  # flat, 6 numbers per map
    table: Array,  # flat, written
) -> None:
    """Write the table of maps."""
    for row in range(len(maps) // 6):
        for column in range(6):
            table[COLUMNS * row + column] = maps[6 * row + column]
        fill_row(table, row)


@compiled
def carry(
    nx: int,
    ny: int,
    table: Array,  # flat
    orders: IntArray,
    tolerance: float,
    slack: float,
    points: Array,  # (2 * M,)
    per_map: int,  # points of one transformation
    start: int,
    stop: int,
    end: Array,  # (2 * M,), written
    record: bool,
    first: IntArray,
    tape: Array,
) -> bool:
    """Move points start..stop along the field for one unit of time.

    Returns:
        False if the tape, written if `record` is set, is too short.
    """
    edges, used = np.empty(SCRATCH), 0
    first[0] = 0
    for block in range((stop - start + LANES - 1) // LANES):
        number = numbering() + (start + block * LANES)
        left = choose(number < stop, 1.0, 0.0)  # lanes beyond the last point wait
        index = least(number, stop - 1)
        x, y = gather(points, index, 2, 0), gather(points, index, 2, 1)
        base = floor((index + 0.5) / per_map) * (4 * nx * ny)
        while any_of(left > 0):
            row, step, new_x, new_y = advance(
                nx, ny, table, orders, tolerance, slack, edges, base, x, y, left
            )
            if record:
                if used == len(tape):
                    return False
                write_record(tape, used, row, x, y, step)
                used += RECORD
            x, y, left = new_x, new_y, left - step
        _put(edges, end, start + block * LANES, stop, x, y)
        first[block + 1] = used
    return True


@compiled
def pull_back(
    table: Array,  # flat
    orders: IntArray,
    first: IntArray,
    tape: Array,
    start: int,
    stop: int,
    gradient: Array,  # (2 * M,) at the end points
    by_map: Array,  # (rows * 6,), added to
    by_point: Array,  # (2 * M,), written
) -> None:
    """Compute gradients with respect to the maps and the starting points start..stop.

    The costate follows the adjoint equation backwards along the recorded steps.
    """
    scratch = np.empty(SCRATCH)
    for block in range((stop - start + LANES - 1) // LANES):
        index = least(numbering() + (start + block * LANES), stop - 1)
        u, w = gather(gradient, index, 2, 0), gather(gradient, index, 2, 1)
        for at in range(first[block + 1] - RECORD, first[block] - RECORD, -RECORD):
            row = load(tape, at)
            tu, tw = transposed_product(table, row, u, w)
            px, py, p, qx, qy, q, keep, turn = moments(table, orders, tape, at)
            _add_to_map(by_map, row, u * px + tu * qx, u * py + tu * qy, u * p + tu * q, 0)
            _add_to_map(by_map, row, w * px + tw * qx, w * py + tw * qy, w * p + tw * q, 3)
            u, w = keep * u + turn * tu, keep * w + turn * tw
        _put(scratch, by_point, start + block * LANES, stop, u, w)


@compiled
def differentiate(
    table: Array,  # flat
    orders: IntArray,
    first: IntArray,
    tape: Array,
    start: int,
    stop: int,
    directions: Array,  # (cells, 6, D)
    jacobian: Array,  # (2 * M, D), zero, added to
) -> None:
    """Compute derivatives of the end points start..stop along directions of the maps."""
    cells, by_map = len(directions), np.empty(6 * LANES)
    for block in range((stop - start + LANES - 1) // LANES):
        begin = start + block * LANES
        for component in range(2):
            u, w = spread(1.0 - component), spread(0.0 + component)
            for at in range(first[block + 1] - RECORD, first[block] - RECORD, -RECORD):
                u, w = _store_gradient(table, orders, tape, at, u, w, by_map)
                for lane in range(min(LANES, stop - begin)):
                    if tape[at + 3 * LANES + lane] > 0:
                        cell = int(tape[at + lane]) % cells
                        _add_derivatives(
                            jacobian, 2 * (begin + lane) + component, directions, cell, by_map, lane
                        )


@inlined
def _store_gradient(
    table: Array, orders: IntArray, tape: Array, at: int, u: Lanes, w: Lanes, by_map: Array
) -> tuple[Lanes, Lanes]:
    """Write the gradient with respect to the maps of a step; return the costate at its start."""
    tu, tw = transposed_product(table, load(tape, at), u, w)
    px, py, p, qx, qy, q, keep, turn = moments(table, orders, tape, at)
    store(by_map, 0, u * px + tu * qx)
    store(by_map, LANES, u * py + tu * qy)
    store(by_map, 2 * LANES, u * p + tu * q)
    store(by_map, 3 * LANES, w * px + tw * qx)
    store(by_map, 4 * LANES, w * py + tw * qy)
    store(by_map, 5 * LANES, w * p + tw * q)
    return keep * u + turn * tu, keep * w + turn * tw


@inlined
def _add_derivatives(
    jacobian: Array, at: int, directions: Array, cell: int, by_map: Array, lane: int
) -> None:
    a, b, p = by_map[lane], by_map[LANES + lane], by_map[2 * LANES + lane]
    c, d, q = by_map[3 * LANES + lane], by_map[4 * LANES + lane], by_map[5 * LANES + lane]
    for k in range(directions.shape[2]):
        jacobian[at, k] += (
            a * directions[cell, 0, k]
            + b * directions[cell, 1, k]
            + p * directions[cell, 2, k]
            + c * directions[cell, 3, k]
            + d * directions[cell, 4, k]
            + q * directions[cell, 5, k]
        )


@inlined
def _add_to_map(by_map: Array, row: Lanes, x: Lanes, y: Lanes, one: Lanes, column: int) -> None:
    """Add to three columns of each point's row; neighbouring points often share one."""
    same = first_of(row)
    if any_of(row < same) or any_of(row > same):
        scatter_add(by_map, row, 6, column, x)
        scatter_add(by_map, row, 6, column + 1, y)
        scatter_add(by_map, row, 6, column + 2, one)
    else:
        at = 6 * int(same) + column
        by_map[at] += total(x)
        by_map[at + 1] += total(y)
        by_map[at + 2] += total(one)


@inlined
def _put(scratch: Array, places: Array, begin: int, stop: int, x: Lanes, y: Lanes) -> None:
    """Write the pairs begin..stop of an array, at most one per lane."""
    store(scratch, 0, x)
    store(scratch, LANES, y)
    for lane in range(min(LANES, stop - begin)):
        places[2 * (begin + lane)] = scratch[lane]
        places[2 * (begin + lane) + 1] = scratch[LANES + lane]
