"""Exact integration of piecewise-affine fields as Triton kernels, one launch per pass.

The mathematics is that of `plain`; names follow `cpu_kernels`. A lane moves one point from crossing
to crossing. A program is one warp, so that "any lane" is a single instruction and a warp waits only
for the slowest of its own points. There are no tables: cells and their edges follow from the
position, the series are summed on demand, and the maps are read in place. No launch depends on
data, so all of them can be captured in CUDA graphs.

Lanes without time left, including the padding of the last program, take steps of length 0 in a zero
field. Comparisons with NaN are False and minima ignore NaN, so NaN never crosses an edge; a path
that leaves the finite numbers ends.

Throughout, ORDER is the degree of the series; TOLERANCE is the tolerance for the times of
crossings, relative to a step (convergence is cubic); SHORTEST is the shortest step, which keeps
rounding from trapping a path between cells; EPSILON is the machine epsilon of the dtype.
"""

import triton
import triton.language as tl

_LONGEST = tl.constexpr(2.0)  # bound on h rho, as in `plain`
_SLACK = tl.constexpr(8.0)  # machine epsilons that a path may leave its cell by
_SEARCHES = tl.constexpr(60)
_TOP, _RIGHT, _BOTTOM, _LEFT = (tl.constexpr(side) for side in range(4))
_CELLS = tl.constexpr(4)  # per square
_EDGES = tl.constexpr(4)
_ALL_EDGES = tl.constexpr(0b1111)
_NO_ROW = tl.constexpr(0x7FFFFFFF)

# Variants by size or alignment would have to compile while a graph is captured.
_kernel = triton.jit(
    do_not_specialize=["count", "per_map", "nx", "ny", "number"],
    do_not_specialize_on_alignment=[
        *["maps", "points", "end", "record", "gradient", "by_map", "by_point"],
        *["directions", "jacobian"],
    ],
)


@_kernel
def carry(
    maps: tl.tensor,  # (B * cells, 6)
    points: tl.tensor,  # (count, 2)
    end: tl.tensor,  # (count, 2), written
    record: tl.tensor,  # (count, 2), written: a copy that callers cannot change
    count: tl.tensor,
    per_map: tl.tensor,  # points of one transformation
    nx: tl.tensor,
    ny: tl.tensor,
    ORDER: tl.constexpr,
    TOLERANCE: tl.constexpr,
    SHORTEST: tl.constexpr,
    EPSILON: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Move points along the field for one unit of time, one point per lane."""
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    real = index < count
    first = (index // per_map).to(tl.int32) * (_CELLS * nx * ny)
    x = tl.load(points + 2 * index, mask=real, other=0.0)
    y = tl.load(points + 2 * index + 1, mask=real, other=0.0)
    left = tl.where(real, 1.0, 0.0).to(x.dtype)
    while _any(left > 0):
        _, _, x, y, left = _advance(
            maps, first, x, y, left, nx, ny, 1.0, ORDER, TOLERANCE, SHORTEST, EPSILON
        )
    tl.store(end + 2 * index, x, mask=real)
    tl.store(end + 2 * index + 1, y, mask=real)
    tl.store(record + 2 * index, x, mask=real)
    tl.store(record + 2 * index + 1, y, mask=real)


@_kernel
def pull_back(
    maps: tl.tensor,  # (B * cells, 6)
    end: tl.tensor,  # (count, 2)
    gradient: tl.tensor,  # (count, 2) at the end points
    by_map: tl.tensor,  # (B * cells, 6), added to
    by_point: tl.tensor,  # (count, 2), written
    count: tl.tensor,
    per_map: tl.tensor,
    nx: tl.tensor,
    ny: tl.tensor,
    ORDER: tl.constexpr,
    TOLERANCE: tl.constexpr,
    SHORTEST: tl.constexpr,
    EPSILON: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Compute gradients with respect to the maps and the starting points, one point per lane.

    The path is followed back from its end in the reversed field, and the costate follows the
    adjoint equation along it. This needs no tape, whose length would depend on data. It amplifies
    the rounding error of the end point by the factor by which the flow has shrunk distances.
    """
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    real = index < count
    first = (index // per_map).to(tl.int32) * (_CELLS * nx * ny)
    x = tl.load(end + 2 * index, mask=real, other=0.0)
    y = tl.load(end + 2 * index + 1, mask=real, other=0.0)
    u = tl.load(gradient + 2 * index, mask=real, other=0.0)
    w = tl.load(gradient + 2 * index + 1, mask=real, other=0.0)
    left = tl.where(real, 1.0, 0.0).to(x.dtype)
    while _any(left > 0):
        going = left > 0
        row, step, x, y, left = _advance(
            maps, first, x, y, left, nx, ny, -1.0, ORDER, TOLERANCE, SHORTEST, EPSILON
        )
        a, b, p, c, d, q = _map(maps, row, going)
        tu, tw = a * u + c * w, b * u + d * w  # A^T costate
        px, py, p, qx, qy, q, keep, turn = _moments(a, b, p, c, d, q, x, y, step, ORDER)
        _add_by_row(
            by_map,
            row,
            going,
            (
                u * px + tu * qx,
                u * py + tu * qy,
                u * p + tu * q,
                w * px + tw * qx,
                w * py + tw * qy,
                w * p + tw * q,
            ),
        )
        u, w = keep * u + turn * tu, keep * w + turn * tw
    tl.store(by_point + 2 * index, u, mask=real)
    tl.store(by_point + 2 * index + 1, w, mask=real)


@_kernel
def differentiate(
    maps: tl.tensor,  # (B * cells, 6)
    points: tl.tensor,  # (M, 2)
    directions: tl.tensor,  # (cells, 6, number)
    end: tl.tensor,  # (M, 2), written
    jacobian: tl.tensor,  # (M, 2, number), written
    per_map: tl.tensor,
    nx: tl.tensor,
    ny: tl.tensor,
    number: tl.tensor,  # of directions
    ORDER: tl.constexpr,
    TOLERANCE: tl.constexpr,
    SHORTEST: tl.constexpr,
    EPSILON: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Compute derivatives of the end points along directions of the maps, one point per program.

    All lanes follow the same path; each integrates the sensitivities to some of the directions.
    """
    index = tl.program_id(0).to(tl.int64) + tl.arange(0, 1)
    lane = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    used = lane < number
    first = (index // per_map).to(tl.int32) * (_CELLS * nx * ny)
    x, y = tl.load(points + 2 * index), tl.load(points + 2 * index + 1)
    left = tl.full([1], 1.0, x.dtype)
    to_x, to_y = tl.zeros([BLOCK], x.dtype), tl.zeros([BLOCK], x.dtype)
    while _any(left > 0):
        row, step, next_x, next_y, left = _advance(
            maps, first, x, y, left, nx, ny, 1.0, ORDER, TOLERANCE, SHORTEST, EPSILON
        )
        a, b, p, c, d, q = _map(maps, row, step >= 0)
        px, py, p, qx, qy, q, keep, turn = _moments(a, b, p, c, d, q, x, y, step, ORDER)
        change = directions + (row - first).to(tl.int64) * 6 * number + lane  # of the map
        k0 = tl.load(change, mask=used, other=0.0)
        k1 = tl.load(change + number, mask=used, other=0.0)
        k2 = tl.load(change + 2 * number, mask=used, other=0.0)
        k3 = tl.load(change + 3 * number, mask=used, other=0.0)
        k4 = tl.load(change + 4 * number, mask=used, other=0.0)
        k5 = tl.load(change + 5 * number, mask=used, other=0.0)
        qu, qw = k0 * qx + k1 * qy + k2 * q, k3 * qx + k4 * qy + k5 * q
        new_x = k0 * px + k1 * py + k2 * p + a * qu + b * qw
        new_y = k3 * px + k4 * py + k5 * p + c * qu + d * qw
        turned_x, turned_y = a * to_x + b * to_y, c * to_x + d * to_y
        to_x, to_y = keep * to_x + turn * turned_x + new_x, keep * to_y + turn * turned_y + new_y
        x, y = next_x, next_y
    tl.store(end + 2 * index, x)
    tl.store(end + 2 * index + 1, y)
    tl.store(jacobian + 2 * index * number + lane, to_x, mask=used)
    tl.store(jacobian + (2 * index + 1) * number + lane, to_y, mask=used)


@triton.jit
def _advance(
    maps: tl.tensor,
    first: tl.tensor,  # first row of the maps of the transformation that moves the lane's point
    x: tl.tensor,
    y: tl.tensor,
    left: tl.tensor,  # of the unit of time
    nx: tl.tensor,
    ny: tl.tensor,
    SIGN: tl.constexpr,  # -1.0 to follow the path backwards
    ORDER: tl.constexpr,
    TOLERANCE: tl.constexpr,
    SHORTEST: tl.constexpr,
    EPSILON: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor, tl.tensor, tl.tensor]:
    """Take one step per lane within its cell; return the map's row, duration, end and time left."""
    going = left > 0
    column, line, side = _locate(nx, ny, x, y)
    row = first + (line * nx + column) * _CELLS + side
    a, b, p, c, d, q = _map(maps, row, going)
    a, b, p, c, d, q = SIGN * a, SIGN * b, SIGN * p, SIGN * c, SIGN * d, SIGN * q
    trace, determinant = a + d, a * d - b * c
    vx, vy = a * x + b * y + p, c * x + d * y + q
    ax, ay = a * vx + b * vy, c * vx + d * vy

    turned = (side == _RIGHT) | (side == _LEFT)
    mirrored = (side == _RIGHT) | (side == _BOTTOM)
    along, last_along = tl.where(turned, line, column), tl.where(turned, ny, nx) - 1
    across, last_across = tl.where(turned, column, line), tl.where(turned, nx, ny) - 1
    outermost = tl.where(mirrored, across == last_across, across == 0)
    shape = (turned, mirrored, outermost, outermost & (along > 0), outermost & (along < last_along))
    depths = _distances(x * nx - column, y * ny - line, 1.0, shape)
    slopes = _distances(vx * nx, vy * ny, 0.0, shape)
    bends = _distances(ax * nx, ay * ny, 0.0, shape)

    reach = tl.maximum(tl.maximum(tl.abs(x), tl.abs(y)), 1.0)
    slack = _SLACK * EPSILON * tl.maximum(nx, ny) * reach
    # The interpreter makes constexpr / tensor a constexpr, which `minimum` rejects, so assign it.
    longest = _LONGEST / _spectral_radius(trace, determinant)
    step = tl.minimum(left, longest)
    step, f, g = _first_exit(
        going, trace, determinant, slack, depths, slopes, bends, step, ORDER, TOLERANCE, EPSILON
    )
    least = tl.minimum(left, SHORTEST)
    if _any(step < least):
        step = tl.maximum(step, least)
        f, g = _series(trace, determinant, step, ORDER)
    x = tl.where(going, x + f * vx + g * ax, x)
    y = tl.where(going, y + f * vy + g * ay, y)
    finite = tl.abs(x) + tl.abs(y) < float("inf")
    return row, step, x, y, tl.where(finite, left - step, 0.0)


@triton.jit
def _locate(
    nx: tl.tensor, ny: tl.tensor, x: tl.tensor, y: tl.tensor
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Return column, row and side of the triangle that owns the point (`Tessellation.locate`)."""
    u, w = x * nx, y * ny
    column, line = tl.where(u > 0, u, 0.0), tl.where(w > 0, w, 0.0)  # 0 for NaN
    column = tl.where(column < nx - 1, column, nx - 1).to(tl.int32)
    line = tl.where(line < ny - 1, line, ny - 1).to(tl.int32)
    u, w = u - column, w - line
    above_rising = u + w < 1
    side = tl.where(
        u > w, tl.where(above_rising, _TOP, _RIGHT), tl.where(above_rising, _LEFT, _BOTTOM)
    )
    return column, line, side


@triton.jit
def _map(
    maps: tl.tensor, row: tl.tensor, going: tl.tensor
) -> tuple[tl.tensor, tl.tensor, tl.tensor, tl.tensor, tl.tensor, tl.tensor]:
    """Return the affine map of the lane's cell, or zeros if no time is left."""
    at = maps + row.to(tl.int64) * 6
    a, b = tl.load(at, mask=going, other=0.0), tl.load(at + 1, mask=going, other=0.0)
    p, c = tl.load(at + 2, mask=going, other=0.0), tl.load(at + 3, mask=going, other=0.0)
    d, q = tl.load(at + 4, mask=going, other=0.0), tl.load(at + 5, mask=going, other=0.0)
    return a, b, p, c, d, q


@triton.jit
def _spectral_radius(trace: tl.tensor, determinant: tl.tensor) -> tl.tensor:
    half = trace / 2
    discriminant = half * half - determinant
    real = tl.abs(half) + tl.sqrt(tl.maximum(discriminant, 0.0))
    return tl.where(discriminant >= 0, real, tl.sqrt(tl.maximum(determinant, 0.0)))


@triton.jit
def _distances(
    u: tl.tensor, w: tl.tensor, ONE: tl.constexpr, shape: tl.tuple
) -> tuple[tl.tensor, tl.tensor, tl.tensor, tl.tensor]:
    """Return the distances from a triangle's four edges, or their derivatives if ONE is 0.

    Distances are in sides of a square, and (u, w) in its coordinates. Rotation and reflection turn
    every triangle into the top one. An outermost triangle has rays from its corners instead of an
    outer edge, except at the corners of the unit square. A missing edge gets a constant distance of
    one side.
    """
    turned, mirrored, outermost, ray_before, ray_after = shape
    along, across = tl.where(turned, w, u), tl.where(turned, u, w)
    across = tl.where(mirrored, ONE - across, across)
    side = tl.where(outermost, tl.where(ray_before, along, ONE), across)
    return along - across, ONE - along - across, side, tl.where(ray_after, ONE - along, ONE)


@triton.jit
def _first_exit(
    going: tl.tensor,
    trace: tl.tensor,
    determinant: tl.tensor,
    slack: tl.tensor,
    depths: tl.tuple,
    slopes: tl.tuple,
    bends: tl.tuple,
    step: tl.tensor,
    ORDER: tl.constexpr,
    TOLERANCE: tl.constexpr,
    EPSILON: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Return the time when the path leaves its cell, at most `step`, with F and G at that time.

    Each lane repeatedly takes the edge that is most likely to be crossed first and shortens its
    step to that crossing, until no edge is left. Usually that is one round, at most one per edge.
    """
    unseen = tl.where(going, _ALL_EDGES, 0)
    f, g = _series(trace, determinant, step, ORDER)
    edge, dips = _next_edge(unseen, trace, determinant, slack, depths, slopes, bends, f, g)
    while tl.min(edge, axis=0) < _EDGES:
        depth, slope, bend = _of(edge, depths) + slack, _of(edge, slopes), _of(edge, bends)
        upper = step
        if _any(dips):
            # The slope along the path has the same form as the distance.
            curl = determinant * slope - trace * bend
            lowest = _crossing(
                dips, trace, determinant, -slope, -bend, curl, step, ORDER, TOLERANCE, EPSILON
            )
            upper = tl.where(dips, lowest, step)
            f, g = _series(trace, determinant, upper, ORDER)
        leaves = (edge < _EDGES) & (depth + slope * f + bend * g < 0)
        crossing = _crossing(
            leaves, trace, determinant, depth, slope, bend, upper, ORDER, TOLERANCE, EPSILON
        )
        step = tl.where(leaves, crossing, step)
        unseen = unseen & ~(1 << edge)
        f, g = _series(trace, determinant, step, ORDER)
        edge, dips = _next_edge(unseen, trace, determinant, slack, depths, slopes, bends, f, g)
    return step, f, g


@triton.jit
def _next_edge(
    unseen: tl.tensor,  # bits
    trace: tl.tensor,
    determinant: tl.tensor,
    slack: tl.tensor,
    depths: tl.tuple,
    slopes: tl.tuple,
    bends: tl.tuple,
    f: tl.tensor,  # at the end of the step
    g: tl.tensor,
) -> tuple[tl.tensor, tl.tensor]:
    """Return the edge to check next, or _EDGES, and whether the path may have crossed it twice.

    Edges that the path has passed at the end of the step come first, in the order in which its
    chord crosses them. Edges that the path approaches and leaves again within the step follow.
    """
    f_slope, g_slope = 1 - determinant * g, f + trace * g
    edge, dips = tl.full(f.shape, _EDGES, tl.int32), unseen < 0
    earliest = tl.full(f.shape, 2.0, f.dtype)
    for k in tl.static_range(_EDGES):
        start = depths[k] + slack
        finish = start + slopes[k] * f + bends[k] * g
        beyond = finish < 0
        turns = (slopes[k] < 0) & (slopes[k] * f_slope + bends[k] * g_slope > 0)
        when = tl.where(beyond, start / (start - finish), 1.0)
        sooner = ((unseen >> k) & 1 > 0) & (beyond | turns) & (when < earliest)
        edge, dips = tl.where(sooner, k, edge), tl.where(sooner, turns & ~beyond, dips)
        earliest = tl.where(sooner, when, earliest)
    return edge, dips


@triton.jit
def _of(edge: tl.tensor, values: tl.tuple) -> tl.tensor:
    low = tl.where(edge == 0, values[0], values[1])
    return tl.where(edge < 2, low, tl.where(edge == 2, values[2], values[3]))


@triton.jit
def _crossing(
    searched: tl.tensor,  # bool: the lanes that need a crossing
    trace: tl.tensor,
    determinant: tl.tensor,
    depth: tl.tensor,
    slope: tl.tensor,
    bend: tl.tensor,
    upper: tl.tensor,
    ORDER: tl.constexpr,
    TOLERANCE: tl.constexpr,
    EPSILON: tl.constexpr,
) -> tl.tensor:
    """Return the time when depth + slope F + bend G, negative at `upper`, is 0.

    Uses Halley's method from the root of the parabola, and bisects where it would leave the
    bracket.
    """
    lower, higher = tl.zeros_like(upper), upper
    root = tl.sqrt(tl.maximum(slope * slope - 2 * bend * depth, 0.0)) - slope
    time = 2 * depth / root
    time = tl.where((time >= 0) & (time <= upper), time, upper / 2)
    searches = 0
    while _any(searched) & (searches < _SEARCHES):
        f, g = _series(trace, determinant, time, ORDER)
        f_slope, g_slope = 1 - determinant * g, f + trace * g
        f_bend, g_bend = -determinant * g_slope, f_slope + trace * g_slope
        value = depth + slope * f + bend * g
        first, second = slope * f_slope + bend * g_slope, slope * f_bend + bend * g_bend
        lower, higher = tl.where(value > 0, time, lower), tl.where(value > 0, higher, time)
        change = -2 * value * first / (2 * first * first - value * second)
        moved = time + change
        settled = tl.abs(change) <= TOLERANCE * upper
        trusted = settled | ((moved >= lower) & (moved <= higher))
        time = tl.where(searched, tl.where(trusted, moved, (lower + higher) / 2), time)
        searched = searched & ~(settled | (higher - lower <= 4 * EPSILON * upper))
        searches += 1
    # A path that stops early is still in its cell and continues from there.
    return tl.where(searched, lower, tl.minimum(time, upper))


@triton.jit
def _series(
    trace: tl.tensor, determinant: tl.tensor, time: tl.tensor, ORDER: tl.constexpr
) -> tuple[tl.tensor, tl.tensor]:
    """Evaluate F and G of `cpab.exponential` by Horner's rule on their recurrence."""
    f, g = tl.full(time.shape, 1.0, time.dtype), tl.zeros_like(time)
    for k in tl.static_range(ORDER - 1):
        part = time * (1.0 / (ORDER - k))
        f, g = 1 - part * determinant * g, part * (f + trace * g)
    return time * f, time * g


@triton.jit
def _moments(
    a: tl.tensor,
    b: tl.tensor,
    p: tl.tensor,
    c: tl.tensor,
    d: tl.tensor,
    q: tl.tensor,
    x: tl.tensor,
    y: tl.tensor,
    time: tl.tensor,
    ORDER: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor, tl.tensor, tl.tensor, tl.tensor, tl.tensor, tl.tensor]:
    """Return the moments that form the gradient of a step from (x, y) (`cpab.exponential`).

    With E0 I + E1 A^T = exp((h - t) A^T), these are the integrals of E0 [x, y, 1] and E1 [x, y, 1]
    over the step, and E0 and E1 of the whole step.
    """
    trace, determinant = a + d, a * d - b * c
    vx, vy = a * x + b * y + p, c * x + d * y + q
    ax, ay = a * vx + b * vy, c * vx + d * vy
    f, g = tl.full(time.shape, 1.0, time.dtype), tl.zeros_like(time)
    slope, h = tl.zeros_like(time), tl.zeros_like(time)  # H' and H
    for k in tl.static_range(ORDER - 1):
        part = time * (1.0 / (ORDER - k))
        slope, h = part * (g + trace * slope - determinant * h), part * slope
        f, g = 1 - part * determinant * g, part * (f + trace * g)
    f, g, slope, h = time * f, time * g, time * slope, time * h
    fg = slope - trace * h
    ff = g - trace * fg - determinant * h
    px, py = f * x + ff * vx + fg * ax, f * y + ff * vy + fg * ay
    qx, qy = g * x + fg * vx + h * ax, g * y + fg * vy + h * ay
    return px, py, f, qx, qy, g, 1 - determinant * g, f + trace * g


@triton.jit
def _add_by_row(
    table: tl.tensor,  # (rows, 6)
    row: tl.tensor,
    going: tl.tensor,
    values: tl.tuple,  # 6
) -> None:
    """Add each lane's values to its row of the table, with one atomic addition per row and program.

    Neighbouring points share a cell. Atomic additions to one address are serialised, so additions
    by lane would cost more than the rest of the kernel. The order of programs is not deterministic,
    and neither are the last digits of the sums.
    """
    lowest = tl.min(tl.where(going, row, _NO_ROW), axis=0)
    while lowest < _NO_ROW:
        same = going & (row == lowest)
        at = table + lowest.to(tl.int64) * 6
        for k in tl.static_range(6):
            tl.atomic_add(at + k, tl.sum(tl.where(same, values[k], 0.0), axis=0), sem="relaxed")
        going = going & ~same
        lowest = tl.min(tl.where(going, row, _NO_ROW), axis=0)


@triton.jit
def _any(lanes: tl.tensor) -> tl.tensor:
    return tl.max(lanes.to(tl.int32), axis=0) > 0
