# mypy: disallow-untyped-decorators=False
"""Exact paths of points in piecewise-affine fields, eight points at a time, for CPU kernels.

The mathematics is that of `plain`, in float64. A step takes each of eight points to the first edge
of its cell on its path. The points are independent of each other: each has its own map, edge and
duration, and points that have arrived wait with steps of duration 0.

The table of maps has one row per map: the map (6), its longest step, and the inverse of that step.
"""

from typing import Any

import numba
import numpy as np

from cpabmm_core.arrays import Array, IntArray
from cpabmm_core.compilation import cached_kernel
from cpabmm_core.cpab.engines.lanes import (
    LANES,
    Lanes,
    Mask,
    any_of,
    choose,
    floor,
    gather,
    greatest,
    highest,
    least,
    load,
    magnitude,
    root,
    spread,
    store,
)

SIZES = 16
"""Number of intervals of h rho up to LONGEST; each has its own degree of the series."""
LONGEST = 2.0
"""Bound on h rho; below pi, so that a distance from an edge has at most one extremum per step."""
COLUMNS = 8
"""Numbers in a row of the table."""
SCRATCH = 3 * LANES * 4
"""Numbers in the scratch memory of `advance`: the distances from four edges."""
_LIMIT, _PACE = 6, 7
_SHORTEST = 1e-12  # keeps rounding from trapping a path between cells
_FAR = 1e300
_EDGES = 4
_ITERATIONS = 60
_PASSES = 16
INVERSE = 1 / np.arange(1, 64, dtype=np.float64)  # of k + 1

compiled: Any = cached_kernel(nogil=True, error_model="numpy", fastmath={"contract"})
"""Compile a kernel."""
inlined: Any = numba.njit(nogil=True, error_model="numpy", fastmath={"contract"}, forceinline=True)
"""Compile a part of a kernel."""


@inlined
def fill_row(table: Array, row: int) -> None:
    """Write the last columns of a row of the flat table, from the map in the first six."""
    at = COLUMNS * row
    a, b, c, d = table[at], table[at + 1], table[at + 3], table[at + 4]
    half, determinant = (a + d) / 2, a * d - b * c
    discriminant = half * half - determinant
    radius = abs(half) + np.sqrt(discriminant) if discriminant >= 0 else np.sqrt(determinant)
    table[at + _LIMIT] = LONGEST / max(radius, 1e-150)
    table[at + _PACE] = radius / LONGEST


@inlined
def map_of(table: Array, row: Lanes) -> tuple[Lanes, Lanes, Lanes, Lanes, Lanes, Lanes]:
    """Return the six numbers of each point's map; the table is flat."""
    return (
        gather(table, row, COLUMNS, 0),
        gather(table, row, COLUMNS, 1),
        gather(table, row, COLUMNS, 2),
        gather(table, row, COLUMNS, 3),
        gather(table, row, COLUMNS, 4),
        gather(table, row, COLUMNS, 5),
    )


@inlined
def degree_of(table: Array, orders: IntArray, row: Lanes, step: Lanes) -> int:
    """Return the degree of the series that all steps need, by their share of the longest step."""
    share = highest(step * gather(table, row, COLUMNS, _PACE)) * SIZES
    degree: int = orders[int(share) if share < SIZES else SIZES - 1]
    return degree


@inlined
def series(time: Lanes, trace: Lanes, determinant: Lanes, degree: int) -> tuple[Lanes, Lanes]:
    """Return F and G (`cpab.exponential`)."""
    turn, bend = time * trace, time * determinant
    f, g = spread(1.0), spread(0.0)
    for k in range(degree - 1, 0, -1):
        part = INVERSE[k]
        f, g = 1 - part * bend * g, part * time * f + part * turn * g
    return time * f, time * g


@inlined
def advance(
    nx: int,
    ny: int,
    table: Array,  # flat
    orders: IntArray,  # (SIZES,)
    tolerance: float,  # of the times of crossings, relative to a step
    slack: float,  # distance behind an edge at which a path leaves its cell, in sides of a square
    edges: Array,  # (SCRATCH,)
    base: Lanes,  # first row of each point's maps
    x: Lanes,
    y: Lanes,
    left: Lanes,  # time until the end
) -> tuple[Lanes, Lanes, Lanes, Lanes]:
    """Take each point to the first edge on its path.

    Returns:
        The row of its map, the duration of the step, and its new place.
    """
    column = floor(least(greatest(x * nx, 0.0), nx - 1.0))
    line = floor(least(greatest(y * ny, 0.0), ny - 1.0))
    u, w = x * nx - column, y * ny - line
    falling, rising = u > w, u + w < 1
    side = choose(falling, choose(rising, 0.0, 1.0), choose(rising, 3.0, 2.0))
    row = base + 4 * (line * nx + column) + side

    a, b, p, c, d, q = map_of(table, row)
    trace, determinant = a + d, a * d - b * c
    vx, vy = a * x + b * y + p, c * x + d * y + q
    ax, ay = a * vx + b * vy, c * vx + d * vy
    limit = gather(table, row, COLUMNS, _LIMIT)
    step = choose(limit < left, limit, left)
    degree = degree_of(table, orders, row, step)
    reach = slack * greatest(greatest(magnitude(x), magnitude(y)), 1.0)

    upright = (falling & rising) | ~(falling | rising)  # top and bottom
    _set_edges(
        edges,
        reach,
        choose(rising, -1.0, 1.0),
        choose(upright, w, u) - 0.5,
        choose(upright, u, w) - 0.5,
        choose(upright, ny * vy, nx * vx),
        choose(upright, nx * vx, ny * vy),
        choose(upright, ny * ay, nx * ax),
        choose(upright, nx * ax, ny * ay),
        choose(upright, line, column),
        choose(upright, ny - 1.0, nx - 1.0),
        choose(upright, column, line),
        choose(upright, nx - 1.0, ny - 1.0),
    )
    f, g = series(step, trace, determinant, degree)
    step, f, g = _first_exit(edges, reach, trace, determinant, degree, tolerance, step, f, g)
    short = step < _SHORTEST
    if any_of(short):
        step = choose(short, least(left, _SHORTEST), step)
        f, g = series(step, trace, determinant, degree)
    return row, step, x + f * vx + g * ax, y + f * vy + g * ay


@inlined
def _set_edges(
    edges: Array,
    reach: Lanes,
    sign: Lanes,  # 1 where the outer side of the triangle lies ahead, -1 where it lies behind
    ahead: Lanes,  # place in the square from its centre, along the way to the outer side
    across: Lanes,
    ahead_speed: Lanes,
    across_speed: Lanes,
    ahead_bend: Lanes,
    across_bend: Lanes,
    square_ahead: Lanes,  # column or row of the square
    last_ahead: Lanes,
    square_across: Lanes,
    last_across: Lanes,
) -> None:
    """Write the distance from each edge, its slope and its bend: d + s F + b G along the path.

    The edges are the two diagonals and the outer side. A triangle on the border has no outer side,
    but the flanks of the strip in front of it, except in a corner.
    """
    ahead, ahead_speed, ahead_bend = sign * ahead, sign * ahead_speed, sign * ahead_bend
    border = square_ahead == choose(sign > 0, last_ahead, 0.0)
    high = choose(square_across == last_across, _FAR, 0.5) - across
    low = choose(border & (square_across > 0), 0.5 + across, _FAR)
    third = choose(border, high, 0.5 - ahead) + reach
    _set_edge(
        edges,
        np.int64(0),
        ahead - across + reach,
        ahead_speed - across_speed,
        ahead_bend - across_bend,
    )
    _set_edge(
        edges,
        np.int64(1),
        ahead + across + reach,
        ahead_speed + across_speed,
        ahead_bend + across_bend,
    )
    third_speed = 0 - choose(border, across_speed, ahead_speed)
    _set_edge(edges, np.int64(2), third, third_speed, 0 - choose(border, across_bend, ahead_bend))
    _set_edge(edges, np.int64(3), low + reach, across_speed, across_bend)


@inlined
def _set_edge(edges: Array, edge: int, start: Lanes, slope: Lanes, bend: Lanes) -> None:
    at = 3 * LANES * edge
    store(edges, at, start)
    store(edges, at + LANES, slope)
    store(edges, at + 2 * LANES, bend)


@inlined
def _first_exit(
    edges: Array,
    reach: Lanes,
    trace: Lanes,
    determinant: Lanes,
    degree: int,
    tolerance: float,
    step: Lanes,
    f: Lanes,
    g: Lanes,
) -> tuple[Lanes, Lanes, Lanes]:
    """Shorten the steps that leave their cell; return their durations, F and G."""
    for _ in range(_PASSES):
        # Of several edges, take the one behind which the step ends farthest. The shortened step may
        # still end behind another.
        deepest, upper = 0 - reach, step
        depth, slope, bend = reach, spread(0.0), spread(0.0)
        doubtful = spread(0.0)
        for edge in range(_EDGES):
            start, speed, turn = _edge(edges, edge)
            end = start + speed * f + turn * g
            deeper = end < deepest
            deepest = choose(deeper, end, deepest)
            depth, slope = choose(deeper, start, depth), choose(deeper, speed, slope)
            bend = choose(deeper, turn, bend)
            dips = _may_dip(trace, determinant, step, f, g, start, speed, turn, end)
            doubtful = choose(dips, 1.0, doubtful)
        if not any_of(deepest < 0 - reach) and any_of(doubtful > 0):
            deepest, upper, depth, slope, bend = _deepest_dip(
                edges, reach, trace, determinant, degree, step, f, g
            )
        outside = deepest < 0 - reach
        if not any_of(outside):
            break
        time, new_f, new_g = _crossing(
            trace, determinant, degree, tolerance, outside, depth, slope, bend, upper
        )
        step = choose(outside, time, step)
        f, g = choose(outside, new_f, f), choose(outside, new_g, g)
    return step, f, g


@inlined
def _edge(edges: Array, edge: int) -> tuple[Lanes, Lanes, Lanes]:
    """Return the distance from an edge, its slope and its bend."""
    at = 3 * LANES * edge
    return load(edges, at), load(edges, at + LANES), load(edges, at + 2 * LANES)


@inlined
def _may_dip(
    trace: Lanes,
    determinant: Lanes,
    step: Lanes,
    f: Lanes,
    g: Lanes,
    start: Lanes,
    slope: Lanes,
    bend: Lanes,
    end: Lanes,
) -> Mask:
    """Return where a path may leave the cell across an edge and come back within the step.

    The distance must fall at first and rise at the end. If it is convex, it stays above its
    tangents at both ends, and nothing happens where these meet above the edge.
    """
    f_slope, g_slope = 1 - determinant * g, f + trace * g
    last = slope * f_slope + bend * g_slope
    last_bend = bend * (f_slope + trace * g_slope) - slope * (determinant * g_slope)
    above = start * (last - slope) + slope * (start - end + last * step) >= 0
    harmless = (above & (bend >= 0) & (last_bend >= 0)) | (start > _FAR / 2)
    return (slope < 0) & (last > 0) & ~harmless


@compiled
def _deepest_dip(
    edges: Array,
    reach: Lanes,
    trace: Lanes,
    determinant: Lanes,
    degree: int,
    step: Lanes,
    f: Lanes,
    g: Lanes,
) -> tuple[Lanes, Lanes, Lanes, Lanes, Lanes]:
    """Return the smallest distance from an edge within the step if it lies behind the edge.

    Returns:
        The distance, or -reach if no path leaves its cell; its time; and the distance from that
        edge at the start, its slope and its bend.
    """
    deepest, upper = 0 - reach, step
    depth, slope, bend = reach, spread(0.0), spread(0.0)
    for edge in range(_EDGES):
        start, speed, turn = _edge(edges, edge)
        end = start + speed * f + turn * g
        dips = _may_dip(trace, determinant, step, f, g, start, speed, turn, end)
        if not any_of(dips):
            continue
        time, low_f, low_g = _turning_point(trace, determinant, degree, speed, turn, step)
        lowest = start + speed * low_f + turn * low_g
        deeper = dips & (lowest < deepest)
        deepest, upper = choose(deeper, lowest, deepest), choose(deeper, time, upper)
        depth, slope = choose(deeper, start, depth), choose(deeper, speed, slope)
        bend = choose(deeper, turn, bend)
    return deepest, upper, depth, slope, bend


@inlined
def _turning_point(
    trace: Lanes, determinant: Lanes, degree: int, slope: Lanes, bend: Lanes, upper: Lanes
) -> tuple[Lanes, Lanes, Lanes]:
    """Return the time when the distance from an edge is smallest, by bisection, with F and G.

    Its slope must be negative at first and positive at the end.
    """
    lower, higher = 0 * upper, upper
    for _ in range(_ITERATIONS):
        middle = (lower + higher) / 2
        f, g = series(middle, trace, determinant, degree)
        falls = slope * (1 - determinant * g) + bend * (f + trace * g) < 0
        lower, higher = choose(falls, middle, lower), choose(falls, higher, middle)
    f, g = series(higher, trace, determinant, degree)
    return higher, f, g


@compiled
def _crossing(
    trace: Lanes,
    determinant: Lanes,
    degree: int,
    tolerance: float,
    outside: Mask,
    depth: Lanes,
    slope: Lanes,
    bend: Lanes,
    upper: Lanes,
) -> tuple[Lanes, Lanes, Lanes]:
    """Return the time when the distance from an edge, negative at `upper`, is 0, with F and G.

    Uses Halley's method from the root of the parabola, and bisects where it would leave the
    bracket. A change below the tolerance ends the search; the remaining error is about its cube.
    """
    lower, higher = 0 * upper, upper
    below = root(greatest(slope * slope - 2 * bend * depth, 0.0)) - slope
    time = 2 * depth / below
    time = choose((below > 0) & (time <= upper), time, upper / 2)
    f, g = series(time, trace, determinant, degree)
    f_slope, g_slope, change = f, g, time
    for _ in range(_ITERATIONS):
        f_slope, g_slope = 1 - determinant * g, f + trace * g
        value = depth + slope * f + bend * g
        first = slope * f_slope + bend * g_slope
        second = bend * (f_slope + trace * g_slope) - slope * (determinant * g_slope)
        lower, higher = choose(value > 0, time, lower), choose(value > 0, higher, time)
        change = 0 - 2 * value * first / (2 * first * first - value * second)
        found = (magnitude(change) <= tolerance * upper) | (higher - lower <= 1e-15 * upper)
        searching = outside & ~found
        if not any_of(searching):
            break
        moved = time + change
        inside = (moved >= lower) & (moved <= higher)
        moved = choose(inside, moved, (lower + higher) / 2)
        time = choose(searching, moved, time)
        f, g = series(time, trace, determinant, degree)
    change = choose(magnitude(change) <= tolerance * upper, change, 0.0)
    f_bend, g_bend = 0 - determinant * g_slope, f_slope + trace * g_slope
    f = f + change * (f_slope + change / 2 * f_bend)
    g = g + change * (g_slope + change / 2 * g_bend)
    return time + change, f, g
