# mypy: disallow-untyped-decorators=False
"""The loop of `cpab.gauss_newton`, compiled: each fit from its start to its end.

A set of few pairs has fewer residuals than the field has unknowns. The step then follows from the
dual system, which is as large as the residuals are many: with mu = nu + damping,

    step = -(nu / mu) eta - J^T y,   (J J^T + mu I) y = r - (nu / mu) J eta.

J and r include the roots of the weights.
"""

import numpy as np

from cpabmm_core.arrays import Array, IntArray
from cpabmm_core.cpab.engines.dense import (
    add_multiple,
    combine,
    dot,
    factorise,
    fill,
    gram,
    product,
    solve_factored,
    transpose,
)
from cpabmm_core.cpab.engines.fit_linearised import (
    Mesh,
    follow,
    linearise,
    misfit,
    velocities_of,
    write_maps,
)
from cpabmm_core.cpab.engines.lanes import LANES
from cpabmm_core.cpab.engines.paths import COLUMNS, compiled, inlined
from cpabmm_core.cpab.engines.sensitivities import RECORD


@inlined
def padded(size: int) -> int:
    """Return the next multiple of LANES."""
    return (size + LANES - 1) // LANES * LANES


def width_of(dim: int) -> int:
    """Return the length of a row of `dim` numbers with its padding."""
    return -(-dim // LANES) * LANES


@compiled
def write_normal(jacobian: Array, flipped: Array, rows: int, dim: int, normal: Array) -> None:
    """Write J J^T if it is smaller than J^T J, else this."""
    width = padded(dim)
    if rows < dim:
        transpose(jacobian, rows, width, flipped, padded(rows))
        gram(flipped, width, padded(rows), normal)
    else:
        gram(jacobian, rows, width, normal)


@compiled
def write_step(
    jacobian: Array,
    residual: Array,  # (rows,)
    effective: Array,  # (P,) weights
    eta: Array,
    factor: Array,
    nu: float,
    damping: float,
    dim: int,
    dual: Array,  # (padded rows,) scratch
    step: Array,  # (width,), written
) -> None:
    """Solve the factored system for a step."""
    rows, width = len(residual), len(step)
    if rows < dim:
        share = nu / (nu + damping)
        fill(dual, 0.0)
        for row in range(rows):
            weighted = np.sqrt(effective[row // 2]) * residual[row]
            dual[row] = weighted - share * dot(jacobian, row * width, eta, np.int64(0), width)
        solve_factored(factor, rows, len(dual), dual)
        fill(step, 0.0)
        combine(step, -share, eta, step)
        for row in range(rows):
            add_multiple(step, np.int64(0), -dual[row], jacobian, row * width, width)
        return
    fill(step, 0.0)
    combine(step, -nu, eta, step)
    for row in range(rows):
        weighted = np.sqrt(effective[row // 2]) * residual[row]
        add_multiple(step, np.int64(0), -weighted, jacobian, row * width, width)
    solve_factored(factor, dim, width, step)


@compiled
def solve_fits(
    mesh: Mesh,
    source: Array,  # (B, 2 * P) flat
    target: Array,  # (B, 2 * P) flat
    weights: Array,  # (B, P) flat
    nu: Array,  # (B,)
    huber: float,
    iterations: int,
    tolerance: float,
    relief: float,
    stride: float,
    start: int,
    stop: int,
    etas: Array,  # (B, width) flat, updated
    ends: Array,  # (B, 2 * P) flat, written
    taken: IntArray,  # (B,), written
    finished: IntArray,  # (B,), written
) -> None:
    """Solve the fits start..stop, as `gauss_newton.solve` does."""
    count, dim, width = len(weights) // len(nu), mesh.dim, mesh.width
    rows, vertices = 2 * count, len(mesh.fields) // width // 2
    size = min(rows, dim)
    velocities, velocity_step = np.empty(2 * vertices), np.empty(2 * vertices)
    trial_velocities = np.empty(2 * vertices)
    table = np.empty(len(mesh.triangles) // 3 * COLUMNS)
    first = np.empty((count + LANES - 1) // LANES + 1, dtype=np.int64)
    tape = np.empty(4 * len(first) * RECORD)
    residual, effective = np.empty(rows), np.empty(count)
    trial_residual, trial_effective, trial_end = np.empty(rows), np.empty(count), np.empty(rows)
    jacobian, flipped = np.empty(rows * width), np.empty(width * padded(size))
    normal, factor = np.empty(padded(size) ** 2), np.empty(padded(size) ** 2)
    dual, step, trial = np.empty(padded(size)), np.empty(width), np.empty(width)
    for fit in range(start, stop):
        eta, end = etas[fit * width : (fit + 1) * width], ends[fit * rows : (fit + 1) * rows]
        points, goals = source[fit * rows : (fit + 1) * rows], target[fit * rows : (fit + 1) * rows]
        amounts = weights[fit * count : (fit + 1) * count]
        velocities_of(mesh, eta, velocities)
        write_maps(mesh, velocities, table)
        tape = follow(mesh, table, points, end, first, tape)
        cost = misfit(end, goals, amounts, huber, residual, effective)
        cost += nu[fit] * product(eta, eta)
        damping, moved = 0.0, True
        taken[fit] = finished[fit] = 0
        while taken[fit] < iterations and not finished[fit]:
            taken[fit] += 1
            if moved:
                linearise(mesh, table, first, tape, effective, jacobian)
                write_normal(jacobian, flipped, rows, dim, normal)
            factorise(normal, nu[fit] + damping, size, padded(size), factor)
            write_step(
                jacobian, residual, effective, eta, factor, nu[fit], damping, dim, dual, step
            )
            velocities_of(mesh, step, velocity_step)
            share = stride / max(write_maps(mesh, velocity_step, table), stride)
            combine(eta, share, step, trial)
            combine(velocities, share, velocity_step, trial_velocities)
            write_maps(mesh, trial_velocities, table)
            tape = follow(mesh, table, points, trial_end, first, tape)
            trial_cost = misfit(
                trial_end, goals, amounts, huber, trial_residual, trial_effective
            ) + nu[fit] * product(trial, trial)
            gain = cost - trial_cost
            moved = gain >= 0
            damping = damping / relief if moved else damping * relief + nu[fit]
            if moved:
                finished[fit] = gain <= tolerance * cost
                cost = trial_cost
                combine(trial, 0.0, trial, eta)
                combine(trial_velocities, 0.0, trial_velocities, velocities)
                combine(trial_end, 0.0, trial_end, end)
                combine(trial_residual, 0.0, trial_residual, residual)
                combine(trial_effective, 0.0, trial_effective, effective)
