# mypy: disallow-untyped-decorators=False
"""The tape of the paths of eight points, and the gradient of a step, for CPU kernels.

The tape has a record of four vectors for each step: the row of the map, the start (x, y) and the
duration, which is 0 for points that have arrived.
"""

from cpabmm_core.arrays import Array, IntArray
from cpabmm_core.cpab.engines.lanes import LANES, Lanes, gather, load, spread, store
from cpabmm_core.cpab.engines.paths import COLUMNS, INVERSE, degree_of, inlined, map_of

RECORD = 4 * LANES
"""Numbers in a record of the tape."""


@inlined
def write_record(tape: Array, at: int, row: Lanes, x: Lanes, y: Lanes, step: Lanes) -> None:
    """Write the record of a step."""
    store(tape, at, row)
    store(tape, at + LANES, x)
    store(tape, at + 2 * LANES, y)
    store(tape, at + 3 * LANES, step)


@inlined
def transposed_product(table: Array, row: Lanes, u: Lanes, w: Lanes) -> tuple[Lanes, Lanes]:
    """Return A^T (u, w); the table is flat."""
    a, b = gather(table, row, COLUMNS, 0), gather(table, row, COLUMNS, 1)
    c, d = gather(table, row, COLUMNS, 3), gather(table, row, COLUMNS, 4)
    return a * u + c * w, b * u + d * w


@inlined
def moments(
    table: Array,  # flat
    orders: IntArray,
    tape: Array,
    at: int,
) -> tuple[Lanes, Lanes, Lanes, Lanes, Lanes, Lanes, Lanes, Lanes]:
    """Return the moments that form the gradient of a step (`cpab.exponential`).

    With E0 I + E1 A^T = exp((h - t) A^T), these are the integrals of E0 [x, y, 1] and E1 [x, y, 1]
    over the step, and E0 and E1 of the whole step.
    """
    row, time = load(tape, at), load(tape, at + 3 * LANES)
    x, y = load(tape, at + LANES), load(tape, at + 2 * LANES)
    a, b, p, c, d, q = map_of(table, row)
    trace, determinant = a + d, a * d - b * c
    vx, vy = a * x + b * y + p, c * x + d * y + q
    ax, ay = a * vx + b * vy, c * vx + d * vy
    f, g = spread(1.0), spread(0.0)
    slope, h = spread(0.0), spread(0.0)  # H' and H
    for k in range(degree_of(table, orders, row, time) - 1, 0, -1):
        part = INVERSE[k] * time
        bend, turn = part * determinant, part * trace
        slope, h = part * g + turn * slope - bend * h, part * slope
        f, g = 1 - bend * g, part * f + turn * g
    f, g, slope, h = time * f, time * g, time * slope, time * h
    fg = slope - trace * h
    ff = g - trace * fg - determinant * h
    px, py = f * x + ff * vx + fg * ax, f * y + ff * vy + fg * ay
    qx, qy = g * x + fg * vx + h * ax, g * y + fg * vy + h * ay
    return px, py, f, qx, qy, g, 1 - determinant * g, f + trace * g
