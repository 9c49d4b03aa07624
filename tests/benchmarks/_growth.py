"""Time and memory against the size of a task, each size in a process of its own."""

import multiprocessing
import os
import resource
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from benchmarks._report import QUICK, Row, seconds_text

ENOUGH = 0.4
"""Seconds after which a size is not measured again."""
REPEATS = 7
FLAT = 16.0
"""Megabytes below which memory does not count as growing: buffers of the allocator."""
ASYMPTOTIC = 3
"""How many of the largest sizes an exponent is fitted to; overhead dominates the others."""


@dataclass(frozen=True)
class Demand:
    """The powers of the size with which time and memory must grow, however it is computed."""

    time: float = 1.0
    memory: float = 1.0


@dataclass(frozen=True)
class Axis:
    """A task that can have several sizes."""

    name: str
    """What the size counts: "frames"."""
    what: str
    sizes: tuple[int, ...]
    prepare: Callable[[int], Callable[[], object]]
    """Returns the task of a size; a function of a module, since other processes call it."""
    demand: Demand = Demand()


@dataclass(frozen=True)
class Point:
    """What a task of one size took."""

    size: int
    seconds: float
    """The shortest of a few runs."""
    megabytes: float
    """By how much the peak memory exceeds that of the smallest size."""


@dataclass(frozen=True)
class Growth:
    """What a task took at each size."""

    axis: Axis
    points: tuple[Point, ...]

    @property
    def exponent(self) -> float:
        """The power of the size with which the time grows."""
        last = self.points[-ASYMPTOTIC:]
        return slope([point.size for point in last], [point.seconds for point in last])

    @property
    def memory_exponent(self) -> float | None:
        """The power of the size with which the memory grows; None if it is flat."""
        first, *others = self.points
        last = [point for point in others if point.megabytes > 0][-ASYMPTOTIC:]
        if self.points[-1].megabytes < FLAT or len(last) < 2:
            return None
        # Both relative to the smallest size, so that a constant part does not count.
        power = slope([p.size - first.size for p in last], [p.megabytes for p in last])
        return power if power > 0.05 else None

    @property
    def row(self) -> Row:
        """Compare the largest size with the growth that the task itself has."""
        start, end = self.points[-ASYMPTOTIC], self.points[-1]
        expected = start.seconds * (end.size / start.size) ** self.axis.demand.time
        return Row(
            f"{self.axis.what}, {end.size:,} {self.axis.name}",
            f"{start.size:,} {self.axis.name}, grown by the power {self.axis.demand.time:g}",
            expected,
            end.seconds,
            f"it grows by {self.exponent:.2f}",
        )


def rows_of(axes: Sequence[Axis], module: str) -> list[Row]:
    """Measure every task and return its row.

    Args:
        axes: the tasks.
        module: the name of the module that defines them.
    """
    return [measure_growth(axis, [module]).row for axis in axes]


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return the slope of the regression line on logarithmic axes.

    Example:
        >>> round(slope([1, 2, 4], [3, 12, 48]), 6)
        2.0
    """
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def measure_growth(axis: Axis, preload: Sequence[str]) -> Growth:
    """Measure every size of a task; with ``--quick`` the largest is left out.

    Args:
        axis: the task.
        preload: modules to import before processes are forked.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    sizes = axis.sizes[:-1] if os.environ.get(QUICK) else axis.sizes
    points = []
    for size in sizes:
        with ProcessPoolExecutor(1, context) as processes:
            seconds, megabytes = processes.submit(measure_size, axis, size).result()
        points.append(Point(size, seconds, megabytes))
        print(f"{axis.what}: {size:,} {axis.name}, {seconds_text(seconds)}", file=sys.stderr)
    return Growth(axis, tuple(points))


def measure_size(axis: Axis, size: int) -> tuple[float, float]:
    """Return the seconds of a task, and its peak memory in MB above that of the smallest size."""
    axis.prepare(axis.sizes[0])()  # loads compiled kernels and starts threads
    before = _peak()
    task = axis.prepare(size)
    # The first run computes constants that later ones share.
    times: list[float] = []
    while len(times) < 2 or (sum(times) < ENOUGH and len(times) < REPEATS):
        start = perf_counter()
        task()
        times.append(perf_counter() - start)
    return min(times), _peak() - before


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def growth_table(growths: Sequence[Growth]) -> str:
    """Return a Markdown table of exponents."""
    lines = [
        "| task | sizes | time | exponent | needed | memory | exponent | needed |",
        "|---|---|---|---:|---:|---|---:|---:|",
    ]
    for growth in growths:
        axis, first, last = growth.axis, growth.points[0], growth.points[-1]
        memory = growth.memory_exponent
        cells = (
            axis.what,
            f"{first.size:,} to {last.size:,} {axis.name}",
            f"{seconds_text(first.seconds)} to {seconds_text(last.seconds)}",
            f"{growth.exponent:.2f}",
            f"{axis.demand.time:g}",
            f"+{last.megabytes:,.0f} MB",
            "flat" if memory is None else f"{memory:.2f}",
            f"{axis.demand.memory:g}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
