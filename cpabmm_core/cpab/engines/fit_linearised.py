# mypy: disallow-untyped-decorators=False
"""The data term of a fit and its derivatives, for CPU kernels.

The unknowns eta are coordinates in fields that are given by their velocities at the vertices: a
velocity there is a sum over the fields, and three of them make the map of a cell. So a step of a
path touches six numbers of a field, however many cells there are.
"""

from typing import NamedTuple

import numpy as np

from cpabmm_core.arrays import Array, IntArray
from cpabmm_core.cpab.engines.cpu_kernels import carry
from cpabmm_core.cpab.engines.dense import add_multiple, fill, multiply_rows
from cpabmm_core.cpab.engines.lanes import LANES, Lanes, gather, least, load, numbering, root, store
from cpabmm_core.cpab.engines.paths import COLUMNS, compiled, fill_row, inlined
from cpabmm_core.cpab.engines.sensitivities import RECORD, moments, transposed_product


class Mesh(NamedTuple):
    """Fields on a tessellation, and the precision of their paths; all arrays are flat."""

    nx: int
    ny: int
    triangles: IntArray
    """(cells, 3) vertices of each cell."""
    barycentric: Array
    """(cells, 3, 3) weight of each vertex of a cell as a function of [x, y, 1]."""
    fields: Array
    """(2 * vertices, width) components of the fields' velocities at the vertices."""
    dim: int
    """Number of fields."""
    width: int
    """Length of the rows of `fields`, a multiple of LANES."""
    orders: IntArray
    tolerance: float
    slack: float


@compiled
def write_maps(mesh: Mesh, velocities: Array, table: Array) -> float:
    """Write the table of maps of a field; return the largest absolute value in a map."""
    largest = 0.0
    for cell in range(len(mesh.triangles) // 3):
        for axis in range(2):
            for column in range(3):
                value = 0.0
                for corner in range(3):
                    vertex = mesh.triangles[3 * cell + corner]
                    weight = mesh.barycentric[9 * cell + 3 * corner + column]
                    value += weight * velocities[2 * vertex + axis]
                table[COLUMNS * cell + 3 * axis + column] = value
                largest = max(largest, abs(value))
        fill_row(table, cell)
    return largest


@compiled
def follow(
    mesh: Mesh,
    table: Array,
    points: Array,  # (2 * P,)
    end: Array,  # (2 * P,), written
    first: IntArray,  # (blocks + 1,), written
    tape: Array,  # written
) -> Array:
    """Move the points; return the tape, or a longer one in its place."""
    count, complete = len(points) // 2, False
    while not complete:
        complete = carry(
            mesh.nx,
            mesh.ny,
            table,
            mesh.orders,
            mesh.tolerance,
            mesh.slack,
            points,
            count,
            np.int64(0),  # a literal would make Numba compile the kernel once more
            count,
            end,
            count > 0,
            first,
            tape,
        )
        if not complete:
            tape = np.empty(2 * len(tape) + RECORD)
    return tape


@compiled
def misfit(
    end: Array,  # (2 * P,)
    target: Array,  # (2 * P,)
    weights: Array,  # (P,)
    huber: float,  # infinite: all residuals count quadratically
    residual: Array,  # (2 * P,), written
    effective: Array,  # (P,), written: weights reduced for large residuals
) -> float:
    """Return the weighted sum of rho over the residuals, and write these."""
    cost = 0.0
    for point in range(len(weights)):
        x, y = end[2 * point] - target[2 * point], end[2 * point + 1] - target[2 * point + 1]
        residual[2 * point], residual[2 * point + 1] = x, y
        square, weight = x * x + y * y, weights[point]
        effective[point] = weight
        if square > huber * huber:
            length = np.sqrt(square)
            effective[point] = weight * (huber / length)
            square = 2 * huber * length - huber * huber
        cost += weight * square
    return cost


@compiled
def linearise(
    mesh: Mesh,
    table: Array,
    first: IntArray,
    tape: Array,
    effective: Array,  # (P,)
    jacobian: Array,  # (2 * P, width) flat, written
) -> None:
    """Write the derivatives of the end points by eta, times the roots of the weights."""
    fill(jacobian, 0.0)
    count, by_map = len(effective), np.empty(12 * LANES)
    for block in range((count + LANES - 1) // LANES):
        begin = block * LANES
        scale = root(gather(effective, least(numbering() + begin, count - 1), 1, 0))
        x_u, x_w, y_u, y_w = scale, 0 * scale, 0 * scale, scale  # costates of both components
        for at in range(first[block + 1] - RECORD, first[block] - RECORD, -RECORD):
            row, moment = load(tape, at), moments(table, mesh.orders, tape, at)
            x_u, x_w = _gradient_by_map(table, row, moment, x_u, x_w, by_map, np.int64(0))
            y_u, y_w = _gradient_by_map(table, row, moment, y_u, y_w, by_map, np.int64(6 * LANES))
            for lane in range(min(LANES, count - begin)):
                if tape[at + 3 * LANES + lane] > 0:
                    _add_derivatives(
                        mesh, int(tape[at + lane]), by_map, lane, jacobian, 2 * (begin + lane)
                    )


@inlined
def _gradient_by_map(
    table: Array,
    row: Lanes,
    moment: tuple[Lanes, ...],
    u: Lanes,
    w: Lanes,
    by_map: Array,
    start: int,
) -> tuple[Lanes, Lanes]:
    """Write the gradients by the maps of a step; return the costate at its start."""
    px, py, p, qx, qy, q, keep, turn = moment
    tu, tw = transposed_product(table, row, u, w)
    store(by_map, start, u * px + tu * qx)
    store(by_map, start + LANES, u * py + tu * qy)
    store(by_map, start + 2 * LANES, u * p + tu * q)
    store(by_map, start + 3 * LANES, w * px + tw * qx)
    store(by_map, start + 4 * LANES, w * py + tw * qy)
    store(by_map, start + 5 * LANES, w * p + tw * q)
    return keep * u + turn * tu, keep * w + turn * tw


@inlined
def _add_derivatives(
    mesh: Mesh, cell: int, by_map: Array, lane: int, jacobian: Array, row: int
) -> None:
    """Add the derivatives of a step to the rows of its point, by way of the cell's vertices."""
    width, fields = mesh.width, mesh.fields
    for corner in range(3):
        x_x, x_y, y_x, y_y = 0.0, 0.0, 0.0, 0.0
        for column in range(3):
            weight = mesh.barycentric[9 * cell + 3 * corner + column]
            x_x += weight * by_map[column * LANES + lane]
            x_y += weight * by_map[(3 + column) * LANES + lane]
            y_x += weight * by_map[(6 + column) * LANES + lane]
            y_y += weight * by_map[(9 + column) * LANES + lane]
        at = 2 * mesh.triangles[3 * cell + corner] * width
        for k in range(0, width, LANES):
            along_x, along_y = load(fields, at + k), load(fields, at + width + k)
            here, next_row = row * width + k, (row + 1) * width + k
            store(jacobian, here, load(jacobian, here) + x_x * along_x + x_y * along_y)
            store(jacobian, next_row, load(jacobian, next_row) + y_x * along_x + y_y * along_y)


@compiled
def velocities_of(mesh: Mesh, eta: Array, velocities: Array) -> None:
    """Write the velocities at the vertices."""
    multiply_rows(mesh.fields, len(velocities), mesh.width, eta, velocities)


@compiled
def gradient_by_eta(
    mesh: Mesh,
    by_map: Array,  # (cells, 6) flat
    by_velocity: Array,  # (2 * vertices,) scratch
    by_eta: Array,  # (width,), added to
) -> None:
    """Add the gradient by eta of a gradient by the maps."""
    fill(by_velocity, 0.0)
    for cell in range(len(mesh.triangles) // 3):
        for corner in range(3):
            vertex = mesh.triangles[3 * cell + corner]
            for axis in range(2):
                for column in range(3):
                    weight = mesh.barycentric[9 * cell + 3 * corner + column]
                    by_velocity[2 * vertex + axis] += weight * by_map[6 * cell + 3 * axis + column]
    for row in range(len(by_velocity)):
        add_multiple(
            by_eta, np.int64(0), by_velocity[row], mesh.fields, row * mesh.width, mesh.width
        )
