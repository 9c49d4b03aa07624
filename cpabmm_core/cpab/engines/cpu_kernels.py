"""Exact integration of piecewise-affine fields point by point, compiled for the CPU.

The mathematics is that of `plain`, in float64. Each point moves from crossing to crossing
independently: no point waits for the one with the most crossings, and intermediate results stay in
registers. All kernels release the interpreter lock and work on a range of points, so that threads
can share the work. They take arrays as separate arguments, because a tuple would add reference
counting to the innermost loops.

The table of maps has one row per map: the map (6), its trace, determinant, longest step and the
inverse of that step. The coefficients of F and G (`cpab.exponential`) start at column `SERIES`,
alternating, from the highest power of t to the first. Those of H' and H follow.
"""

import numba
import numpy as np

from cpabmm_core.arrays import Array, IntArray
from cpabmm_core.compilation import cached_kernel

Tape = tuple[IntArray, IntArray, Array]
"""Index of each point's first step; (steps,) row of the map; (steps, 5) start, duration, F, G."""

SIZES = 16
"""Number of intervals of h rho up to LONGEST; each has its own degree of the series."""
LONGEST = 2.0
"""Bound on h rho; below pi, so that a distance from an edge has at most one extremum per step."""
SERIES = 10
_TRACE, _DETERMINANT, _LIMIT, _PACE = 6, 7, 8, 9
_SHORTEST = 1e-12  # keeps rounding from trapping a path between cells
_SLACK = 8 * float(np.finfo(np.float64).eps)
_ITERATIONS = 60

_inlined = numba.njit(inline="always", error_model="numpy", fastmath={"contract"})
_compiled = cached_kernel(nogil=True, error_model="numpy", fastmath={"contract"})


@_compiled
def multiply(first: Array, second: Array, result: Array) -> None:
    """Add the matrix product of the first two to the third."""
    for i in range(first.shape[0]):
        for j in range(first.shape[1]):
            for k in range(second.shape[1]):
                result[i, k] += first[i, j] * second[j, k]


@_compiled
def prepare(
    affine: Array,  # (B * cells, 6)
    orders: IntArray,  # (SIZES,)
) -> Array:  # (B * cells, SERIES + 4 * order)
    """Return the table of maps."""
    order = orders[-1]
    table = np.zeros((len(affine), SERIES + 4 * order))
    for row in range(len(affine)):
        table[row, :6] = affine[row]
        trace = affine[row, 0] + affine[row, 4]
        determinant = affine[row, 0] * affine[row, 4] - affine[row, 1] * affine[row, 3]
        discriminant = trace * trace / 4 - determinant
        if discriminant >= 0:
            radius = abs(trace) / 2 + np.sqrt(discriminant)
        else:
            radius = np.sqrt(determinant)
        table[row, _TRACE], table[row, _DETERMINANT] = trace, determinant
        table[row, _LIMIT] = LONGEST / max(radius, 1e-150)
        table[row, _PACE] = radius / LONGEST
        f, g, d, h = 1.0, 0.0, 0.0, 0.0
        for k in range(order):
            at, moments = SERIES + 2 * (order - 1 - k), SERIES + 2 * (2 * order - 1 - k)
            table[row, at], table[row, at + 1] = f, g
            table[row, moments], table[row, moments + 1] = d, h
            d, h = (g + trace * d - determinant * h) / (k + 2), d / (k + 2)
            f, g = -determinant * g / (k + 2), (f + trace * g) / (k + 2)
    return table


@_compiled
def carry(
    nx: int,
    ny: int,
    half_planes: Array,  # (cells, 4, 3)
    table: Array,
    orders: IntArray,
    tolerance: float,  # for the times of crossings, relative to a step
    points: Array,  # (M, 2)
    per_map: int,  # points of one transformation
    start: int,
    stop: int,
    end: Array,  # (M, 2), written
    record: bool,
    first: IntArray,
    rows: IntArray,
    steps: Array,
) -> bool:
    """Move points start..stop along the field for one unit of time.

    Returns:
        False if the tape (`first`, `rows`, `steps`), written if `record` is set, is too short.
    """
    cells, slack, flow = len(half_planes), _SLACK * max(nx, ny), SERIES + 2 * orders[-1]
    used = 0
    first[0] = 0
    for index in range(start, stop):
        x, y = points[index, 0], points[index, 1]
        base = index // per_map * cells
        left = 1.0
        while left > 0:
            cell = _locate(nx, ny, x, y)
            row = base + cell
            vx, vy, ax, ay = _motion(table, row, x, y)
            step = min(left, table[row, _LIMIT])
            order = _order(orders, table, row, step)
            f, g = _series(table, row, flow, order, step)
            reach = slack * max(1.0, abs(x), abs(y))
            for edge in range(4):
                normal_x, normal_y = half_planes[cell, edge, 0], half_planes[cell, edge, 1]
                depth = normal_x * x + normal_y * y + half_planes[cell, edge, 2] + reach
                slope = normal_x * vx + normal_y * vy
                bend = normal_x * ax + normal_y * ay
                upper = step
                if depth + slope * f + bend * g >= 0:
                    trace, determinant = table[row, _TRACE], table[row, _DETERMINANT]
                    if slope >= 0 or slope * (1 - determinant * g) + bend * (f + trace * g) <= 0:
                        continue
                    upper = _turning_point(table, row, flow, order, slope, bend, step)
                    lowest_f, lowest_g = _series(table, row, flow, order, upper)
                    if depth + slope * lowest_f + bend * lowest_g >= 0:
                        continue
                step, f, g = _crossing(
                    table, row, flow, order, tolerance, depth, slope, bend, upper
                )
            if step < _SHORTEST:
                step = min(left, _SHORTEST)
                f, g = _series(table, row, flow, order, step)
            if record:
                if used == len(rows):
                    return False
                rows[used] = row
                steps[used, 0], steps[used, 1], steps[used, 2] = x, y, step
                steps[used, 3], steps[used, 4] = f, g
                used += 1
            x, y = x + f * vx + g * ax, y + f * vy + g * ay
            left -= step
        end[index, 0], end[index, 1] = x, y
        first[index - start + 1] = used
    return True


@_compiled
def pull_back(
    table: Array,
    orders: IntArray,
    first: IntArray,
    rows: IntArray,
    steps: Array,
    start: int,
    stop: int,
    gradient: Array,  # (M, 2) at the end points
    by_map: Array,  # (B * cells, 6), added to
    by_point: Array,  # (M, 2), written
) -> None:
    """Compute gradients with respect to the maps and the starting points start..stop.

    The costate follows the adjoint equation backwards along the recorded steps.
    """
    for index in range(start, stop):
        u, w = gradient[index, 0], gradient[index, 1]
        for used in range(first[index - start + 1] - 1, first[index - start] - 1, -1):
            row = rows[used]
            a, b, c, d = table[row, 0], table[row, 1], table[row, 3], table[row, 4]
            tu, tw = a * u + c * w, b * u + d * w  # A^T costate
            px, py, p, qx, qy, q, keep, turn = _moments(table, orders, row, steps, used)
            by_map[row, 0] += u * px + tu * qx
            by_map[row, 1] += u * py + tu * qy
            by_map[row, 2] += u * p + tu * q
            by_map[row, 3] += w * px + tw * qx
            by_map[row, 4] += w * py + tw * qy
            by_map[row, 5] += w * p + tw * q
            u, w = keep * u + turn * tu, keep * w + turn * tw
        by_point[index, 0], by_point[index, 1] = u, w


@_compiled
def differentiate(
    table: Array,
    orders: IntArray,
    first: IntArray,
    rows: IntArray,
    steps: Array,
    start: int,
    stop: int,
    directions: Array,  # (cells, 6, D)
    jacobian: Array,  # (2 * M, D), zero, added to
) -> None:
    """Compute derivatives of the end points start..stop along directions of the maps."""
    cells = len(directions)
    for index in range(start, stop):
        for component in range(2):
            u, w = 1.0 - component, 0.0 + component
            for used in range(first[index - start + 1] - 1, first[index - start] - 1, -1):
                row = rows[used]
                a, b, c, d = table[row, 0], table[row, 1], table[row, 3], table[row, 4]
                tu, tw = a * u + c * w, b * u + d * w
                px, py, p, qx, qy, q, keep, turn = _moments(table, orders, row, steps, used)
                at, cell = 2 * index + component, row % cells
                for k in range(directions.shape[2]):
                    jacobian[at, k] += (
                        (u * px + tu * qx) * directions[cell, 0, k]
                        + (u * py + tu * qy) * directions[cell, 1, k]
                        + (u * p + tu * q) * directions[cell, 2, k]
                        + (w * px + tw * qx) * directions[cell, 3, k]
                        + (w * py + tw * qy) * directions[cell, 4, k]
                        + (w * p + tw * q) * directions[cell, 5, k]
                    )
                u, w = keep * u + turn * tu, keep * w + turn * tw


@_compiled
def _moments(
    table: Array, orders: IntArray, row: int, steps: Array, used: int
) -> tuple[float, float, float, float, float, float, float, float]:
    """Return the moments that form the gradient of a step (`cpab.exponential`).

    With E0 I + E1 A^T = exp((h - t) A^T), these are the integrals of E0 [x, y, 1] and E1 [x, y, 1]
    over the step, and E0 and E1 of the whole step.
    """
    x, y, duration = steps[used, 0], steps[used, 1], steps[used, 2]
    f, g = steps[used, 3], steps[used, 4]
    trace, determinant = table[row, _TRACE], table[row, _DETERMINANT]
    vx, vy, ax, ay = _motion(table, row, x, y)
    order = _order(orders, table, row, duration)
    d, h = _series(table, row, SERIES + 4 * orders[-1], order, duration)
    fg = d - trace * h
    ff = g - trace * fg - determinant * h
    px, py = f * x + ff * vx + fg * ax, f * y + ff * vy + fg * ay
    qx, qy = g * x + fg * vx + h * ax, g * y + fg * vy + h * ay
    return px, py, f, qx, qy, g, 1 - determinant * g, f + trace * g


@_compiled
def _locate(nx: int, ny: int, x: float, y: float) -> int:
    """Return the cell that owns the point, like `Tessellation.locate`; NaN counts as 0."""
    u, w = x * nx, y * ny
    column = int(min(max(u, 0.0), nx - 1.0)) if not np.isnan(u) else 0
    row = int(min(max(w, 0.0), ny - 1.0)) if not np.isnan(w) else 0
    u, w = u - column, w - row
    above_rising = u + w < 1
    side = (0 if above_rising else 1) if u > w else (3 if above_rising else 2)
    return (row * nx + column) * 4 + side


@_compiled
def _motion(table: Array, row: int, x: float, y: float) -> tuple[float, float, float, float]:
    """Return the velocity v = A x + b, and A v."""
    a, b, c, d = table[row, 0], table[row, 1], table[row, 3], table[row, 4]
    vx, vy = a * x + b * y + table[row, 2], c * x + d * y + table[row, 5]
    return vx, vy, a * vx + b * vy, c * vx + d * vy


@_compiled
def _order(orders: IntArray, table: Array, row: int, step: float) -> int:
    """Return the degree of the series for a step, by its share of the longest step."""
    share = step * table[row, _PACE] * SIZES  # from 0 to SIZES
    order: int = orders[SIZES - 1 if np.isnan(share) else min(int(share), SIZES - 1)]
    return order


@_inlined
def _series(table: Array, row: int, end: int, order: int, time: float) -> tuple[float, float]:
    """Evaluate two polynomials without constant term; their coefficients alternate up to `end`."""
    f, g = 0.0, 0.0
    for k in range(end - 2 * order, end, 2):
        f = f * time + table[row, k]
        g = g * time + table[row, k + 1]
    return f * time, g * time


@_compiled
def _crossing(
    table: Array,
    row: int,
    flow: int,  # where the coefficients of F and G end
    order: int,
    tolerance: float,
    depth: float,
    slope: float,
    bend: float,
    upper: float,
) -> tuple[float, float, float]:
    """Return the time when the distance from an edge, negative at `upper`, is 0, with F and G.

    Uses Halley's method from the root of the parabola, and bisects where it would leave the
    bracket. A change below the tolerance ends the search; the remaining error is about its cube.
    """
    trace, determinant = table[row, _TRACE], table[row, _DETERMINANT]
    lower, higher = 0.0, upper
    root = np.sqrt(max(slope * slope - 2 * bend * depth, 0.0)) - slope
    time = 2 * depth / root if root > 0 else upper
    if not (lower <= time <= higher):
        time = upper / 2
    for _ in range(_ITERATIONS):
        f, g = _series(table, row, flow, order, time)
        f_slope, g_slope = 1 - determinant * g, f + trace * g
        f_bend, g_bend = -determinant * g_slope, f_slope + trace * g_slope
        value = depth + slope * f + bend * g
        first, second = slope * f_slope + bend * g_slope, slope * f_bend + bend * g_bend
        if value > 0:
            lower = time
        else:
            higher = time
        change = -2 * value * first / (2 * first * first - value * second)
        if abs(change) <= tolerance * upper or higher - lower <= 1e-15 * upper:
            break
        time += change
        if not (lower <= time <= higher):
            time = (lower + higher) / 2
    f += change * (f_slope + change / 2 * f_bend)
    g += change * (g_slope + change / 2 * g_bend)
    return time + change, f, g


@_compiled
def _turning_point(
    table: Array, row: int, flow: int, order: int, slope: float, bend: float, upper: float
) -> float:
    """Return the time when the distance from an edge is smallest (its slope turns positive)."""
    trace, determinant = table[row, _TRACE], table[row, _DETERMINANT]
    lower, higher = 0.0, upper
    for _ in range(_ITERATIONS):
        middle = (lower + higher) / 2
        f, g = _series(table, row, flow, order, middle)
        if slope * (1 - determinant * g) + bend * (f + trace * g) < 0:
            lower = middle
        else:
            higher = middle
    return higher
