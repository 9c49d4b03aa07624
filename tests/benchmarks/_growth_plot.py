"""Log-log plots of growth as an SVG that is readable on light and dark pages."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks._growth import Axis, Growth, growth_table, measure_growth
from benchmarks._report import Row
from benchmarks._svg import BLUE, FAINT, GREY, ORANGE, Place, document, line, text

WIDTH, HEIGHT, COLUMNS = 300, 230, 3
LEFT, RIGHT, TOP, BOTTOM = 52, 52, 40, 42
TIME, MEMORY = ORANGE, BLUE


def document_growth(axes: Sequence[Axis], module: str, plot: Path) -> tuple[list[Row], str]:
    """Measure the tasks of a module, draw the plot, and return rows and text for the page."""
    growths = [measure_growth(axis, [module]) for axis in axes]
    draw(plot, growths)
    image = f"![Seconds and megabytes on logarithmic axes](../images/{plot.name})"
    return [growth.row for growth in growths], f"{growth_table(growths)}\n\n{image}"


def draw(path: Path, growths: Sequence[Growth]) -> None:
    """Write one panel for each task: seconds on the left axis, megabytes on the right one.

    A decade has the same height on both axes. The dotted line has the slope that the time must
    have at least.
    """
    rows = math.ceil(len(growths) / COLUMNS)
    parts: list[str] = []
    for number, growth in enumerate(growths):
        x, y = number % COLUMNS * WIDTH, number // COLUMNS * HEIGHT
        parts += [f'<g transform="translate({x} {y})">', *_panel(growth), "</g>"]
    path.write_text(document(WIDTH * COLUMNS, HEIGHT * rows, parts), encoding="utf-8")


def _panel(growth: Growth) -> Iterator[str]:
    sizes = [float(point.size) for point in growth.points]
    seconds = [point.seconds for point in growth.points]
    memory = [(p.size, p.megabytes) for p in growth.points if p.megabytes >= 1]
    lows = [_decade(min(seconds)), _decade(min((mb for _, mb in memory), default=1.0))]
    tops = [max(seconds), max((mb for _, mb in memory), default=1.0)]
    decades = max(
        math.ceil(math.log10(top) - low) or 1 for top, low in zip(tops, lows, strict=True)
    )
    across = _scale(math.log10(sizes[0]), math.log10(sizes[-1]), LEFT, WIDTH - RIGHT)
    left, right = (_scale(low, low + decades, HEIGHT - BOTTOM, TOP) for low in lows)
    yield from _frame(growth, across, lows, decades)
    start = seconds[-3:][0], sizes[-3:][0]
    must = [
        (x, start[0] * (x / start[1]) ** growth.axis.demand.time) for x in (start[1], sizes[-1])
    ]
    yield line(must, across, left, GREY, "2 3")
    yield line(list(zip(sizes, seconds, strict=True)), across, left, TIME)
    yield line(memory, across, right, MEMORY, "6 3")


def _frame(growth: Growth, across: Place, lows: Sequence[int], decades: int) -> Iterator[str]:
    axis, memory = growth.axis, growth.memory_exponent
    yield text(WIDTH / 2, 14, axis.what, "middle", size=12)
    shown = "flat" if memory is None else f"{memory:.2f}"
    yield text(LEFT, 31, f"time {growth.exponent:.2f}", "start", TIME)
    yield text(WIDTH - RIGHT, 31, f"memory {shown}", "end", MEMORY)
    for step in range(decades + 1):
        y = HEIGHT - BOTTOM - step / decades * (HEIGHT - BOTTOM - TOP)
        yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{FAINT}"/>'
        yield text(LEFT - 5, y + 4, _seconds(lows[0] + step), "end", TIME)
        yield text(WIDTH - RIGHT + 5, y + 4, _megabytes(lows[1] + step), "start", MEMORY)
    for point in growth.points:
        x = across(point.size)
        yield f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="{FAINT}"/>'
    for point in (growth.points[0], growth.points[-1]):
        yield text(across(point.size), HEIGHT - BOTTOM + 14, f"{point.size:,}", "middle")
    yield text(WIDTH / 2, HEIGHT - BOTTOM + 30, axis.name, "middle")


def _scale(low: float, high: float, start: float, end: float) -> Place:
    return lambda value: start + (math.log10(value) - low) / (high - low) * (end - start)


def _decade(value: float) -> int:
    return math.floor(math.log10(value))


def _seconds(decade: int) -> str:
    return f"{10.0**decade:g} s" if decade >= 0 else f"{10.0 ** (decade + 3):g} ms"


def _megabytes(decade: int) -> str:
    return f"{10.0**decade:g} MB" if decade < 3 else f"{10.0 ** (decade - 3):g} GB"
