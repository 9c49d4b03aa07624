# mypy: disallow-untyped-decorators=False
"""The equations of `cpab.implicit`, compiled: conjugate gradients for each fit of a range."""

import numpy as np

from cpabmm_core.arrays import Array, IntArray
from cpabmm_core.cpab.engines.cpu_kernels import pull_back
from cpabmm_core.cpab.engines.dense import (
    add_multiple,
    combine,
    dot,
    factorise,
    fill,
    product,
    solve_factored,
)
from cpabmm_core.cpab.engines.fit_kernels import padded, write_normal
from cpabmm_core.cpab.engines.fit_linearised import (
    Mesh,
    follow,
    gradient_by_eta,
    linearise,
    misfit,
    velocities_of,
    write_maps,
)
from cpabmm_core.cpab.engines.lanes import LANES
from cpabmm_core.cpab.engines.paths import COLUMNS, compiled
from cpabmm_core.cpab.engines.sensitivities import RECORD


@compiled
def _precondition(
    jacobian: Array, factor: Array, nu: float, rows: int, dim: int, side: Array, result: Array
) -> None:
    """Write (J^T J + nu I)^-1 times the side."""
    width = len(side)
    combine(side, 0.0, side, result)
    if rows >= dim:
        solve_factored(factor, dim, width, result)
        return
    dual = np.zeros(padded(rows))
    for row in range(rows):
        dual[row] = dot(jacobian, row * width, side, np.int64(0), width)
    solve_factored(factor, rows, len(dual), dual)
    for row in range(rows):
        add_multiple(result, np.int64(0), -dual[row], jacobian, row * width, width)
    combine(result, 1 / nu - 1, result, result)


@compiled
def _add_gradients(
    mesh: Mesh,
    points: Array,
    goals: Array,
    amounts: Array,
    nu: float,
    huber: float,
    eta: Array,
    scale: float,
    first: IntArray,
    tape: Array,
    table: Array,
    by_eta: Array,
    by_source: Array,
    by_target: Array,
) -> Array:
    """Add a multiple of the gradients of half the objective; return the tape."""
    rows, count = len(points), len(amounts)
    by_velocity, by_map = np.empty(len(mesh.fields) // mesh.width), np.zeros(6 * len(table) // 8)
    residual, effective, end = np.empty(rows), np.empty(count), np.empty(rows)
    velocities_of(mesh, eta, by_velocity)
    write_maps(mesh, by_velocity, table)
    tape = follow(mesh, table, points, end, first, tape)
    misfit(end, goals, amounts, huber, residual, effective)
    for row in range(rows):
        residual[row] *= scale * effective[row // 2]
        by_target[row] -= residual[row]
    pull_back(table, mesh.orders, first, tape, np.int64(0), count, residual, by_map, end)
    combine(by_source, 1.0, end, by_source)
    gradient_by_eta(mesh, by_map, by_velocity, by_eta)
    combine(by_eta, scale * nu, eta, by_eta)
    return tape


@compiled
def differentiate_fits(
    mesh: Mesh,
    source: Array,  # (B, 2 * P) flat
    target: Array,  # (B, 2 * P) flat
    weights: Array,  # (B, P) flat
    nu: Array,  # (B,)
    huber: float,
    iterations: int,
    difference: float,
    start: int,
    stop: int,
    etas: Array,  # (B, width) flat
    sides: Array,  # (B, width) flat
    by_sources: Array,  # (B, 2 * P) flat, written
    by_targets: Array,  # (B, 2 * P) flat, written
) -> None:
    """Write the derivatives of the gradients along H^-1 side, for the fits start..stop."""
    count, dim, width = len(weights) // len(nu), mesh.dim, mesh.width
    rows = 2 * count
    size = min(rows, dim)
    velocities = np.empty(len(mesh.fields) // width)
    table = np.empty(len(mesh.triangles) // 3 * COLUMNS)
    first = np.empty((count + LANES - 1) // LANES + 1, dtype=np.int64)
    tape = np.empty(4 * len(first) * RECORD)
    residual, effective, end = np.empty(rows), np.empty(count), np.empty(rows)
    jacobian, flipped = np.empty(rows * width), np.empty(width * padded(size))
    normal, factor = np.empty(padded(size) ** 2), np.empty(padded(size) ** 2)
    image, solution, left = np.empty(width), np.empty(width), np.empty(width)
    direction, preconditioned, moved = np.empty(width), np.empty(width), np.empty(width)
    for fit in range(start, stop):
        eta, side = etas[fit * width : (fit + 1) * width], sides[fit * width : (fit + 1) * width]
        points, goals = source[fit * rows : (fit + 1) * rows], target[fit * rows : (fit + 1) * rows]
        amounts = weights[fit * count : (fit + 1) * count]
        by_source = by_sources[fit * rows : (fit + 1) * rows]
        by_target = by_targets[fit * rows : (fit + 1) * rows]
        velocities_of(mesh, eta, velocities)
        write_maps(mesh, velocities, table)
        tape = follow(mesh, table, points, end, first, tape)
        misfit(end, goals, amounts, huber, residual, effective)
        linearise(mesh, table, first, tape, effective, jacobian)
        write_normal(jacobian, flipped, rows, dim, normal)
        factorise(normal, nu[fit], size, padded(size), factor)
        fill(solution, 0.0)
        combine(side, 0.0, side, left)
        _precondition(jacobian, factor, nu[fit], rows, dim, left, preconditioned)
        combine(preconditioned, 0.0, preconditioned, direction)
        amount = product(left, preconditioned)
        for turn in range(iterations + 1):
            # The last turn differentiates along the solution.
            along = solution if turn == iterations else direction
            length = max(np.sqrt(product(along, along)), 1e-300)
            fill(image, 0.0)
            fill(by_source, 0.0)
            fill(by_target, 0.0)
            for side_of in range(2):
                sign = 1.0 - 2.0 * side_of
                combine(eta, sign * difference / length, along, moved)
                tape = _add_gradients(
                    mesh,
                    points,
                    goals,
                    amounts,
                    nu[fit],
                    huber,
                    moved,
                    sign * length / (2 * difference),
                    first,
                    tape,
                    table,
                    image,
                    by_source,
                    by_target,
                )
            if turn == iterations:
                break
            curvature = product(direction, image)
            stride = amount / curvature if curvature > 0 else 0.0
            stride = 0.0 if np.isnan(stride) else stride
            combine(solution, stride, direction, solution)
            combine(left, -stride, image, left)
            _precondition(jacobian, factor, nu[fit], rows, dim, left, preconditioned)
            before, amount = amount, product(left, preconditioned)
            share = amount / before if before > 0 else 0.0
            combine(preconditioned, share, direction, direction)
