"""Measure time and peak memory of a fit against the number of pairs.

    python tests/benchmarks/measure_fit_size.py [--before CHECKOUT] [--plot PNG]

Every measurement runs in a process of its own, with one thread, on 4 x 4 squares. The pairs are a
random motion plus noise of 0.002. `fit` is the call alone; the others are the whole command
`fit-cpab`, from files of two formats. Prints the processor time, the shortest of the repetitions,
with the largest peak of the memory of the process, as a Markdown table. A task that took longer
than the limit is not tried with more pairs. With `--before`, another checkout is measured in turn
with this one.
"""

import argparse
import csv
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from cpabmm_core.cpab import Tessellation, VelocitySpace, sample, transform

SIZES = (100, 1_000, 10_000, 65_536, 100_000, 1_000_000)
FORMATS = ("csv", "json")
REPEATS = 2
LIMIT = 180.0
"""Seconds after which a task counts as too slow."""
HERE = Path(__file__).parents[2]

CALL = """
import sys, time
import numpy as np, torch
from cpabmm_core.cpab import Tessellation, VelocitySpace, fit
with np.load(sys.argv[1]) as arrays:
    source, target = (torch.from_numpy(arrays[name])[None] for name in ("source", "target"))
space = VelocitySpace(Tessellation(4, 4))
fit(space, source[:, :100], target[:, :100])
start = time.process_time()
fit(space, source, target)
print(time.process_time() - start)
"""


class Measured(NamedTuple):
    """The outcome of a task; the seconds are infinite if it took longer than the limit."""

    seconds: float
    megabytes: float


def write_pairs(folder: Path, size: int) -> None:
    """Write one set of pairs in every format."""
    generator = torch.Generator().manual_seed(size)
    space = VelocitySpace(Tessellation(6, 6))
    theta = sample(space, 1, magnitude=0.05, length_scale=0.25, generator=generator).double()
    source = torch.rand(1, size, 2, generator=generator, dtype=torch.float64)
    noise = 0.002 * torch.randn(1, size, 2, generator=generator, dtype=torch.float64)
    target = (transform(space, theta, source) + noise)[0].numpy()
    places = source[0].numpy()
    np.savez(folder / f"{size}.npz", source=places, target=target)
    lists = {"source": places.tolist(), "target": target.tolist()}
    (folder / f"{size}.json").write_text(json.dumps(lists))
    with (folder / f"{size}.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["source_x", "source_y", "target_x", "target_y"])
        rows.writerows(np.concatenate([places, target], axis=1).tolist())


def run(checkout: Path, arguments: list[str]) -> Measured:
    """Run Python; a program given with -c prints its own time."""
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env=environment,
        cwd=checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    while time.perf_counter() - start < LIMIT:
        finished, status, usage = os.wait4(process.pid, os.WNOHANG)
        if finished:
            taken = usage.ru_utime + usage.ru_stime
            process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == 0, arguments
            printed = process.stdout.read().split()
            if arguments[0] == "-c":
                taken = float(printed[0])
            return Measured(taken, usage.ru_maxrss / 1024)
        time.sleep(0.01)
    process.kill()
    process.wait()
    return Measured(math.inf, math.nan)


def tasks(folder: Path, size: int) -> Iterator[tuple[str, list[str]]]:
    """Yield the name and the arguments of each task."""
    yield "fit", ["-c", CALL, str(folder / f"{size}.npz")]
    for suffix in FORMATS:
        output = ["-o", str(folder / "theta.json"), "--force"]
        file = str(folder / f"{size}.{suffix}")
        yield suffix, ["-m", "cpabmm_cli", "fit-cpab", file, *output]


def measure(checkouts: dict[str, Path]) -> dict[tuple[str, str], dict[int, Measured]]:
    """Return what each task of each checkout took, by the number of pairs."""
    results: dict[tuple[str, str], dict[int, Measured]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in SIZES:
            write_pairs(folder, size)
            for task, arguments in tasks(folder, size):
                for label, checkout in checkouts.items():
                    rows = results.setdefault((label, task), {})
                    # A command contains the fit.
                    tried = [*rows.values(), *results[label, "fit"].values()]
                    if any(math.isinf(row.seconds) for row in tried):
                        continue
                    rows[size] = repeat(checkout, arguments)
                    print(f"{label} {task} {size}: {rows[size]}", file=sys.stderr, flush=True)
    return results


def repeat(checkout: Path, arguments: list[str]) -> Measured:
    """Return the shortest time and the largest memory of the repetitions."""
    runs: list[Measured] = []
    while len(runs) < REPEATS and (not runs or runs[0].seconds < LIMIT / REPEATS):
        runs.append(run(checkout, arguments))
    return Measured(min(r.seconds for r in runs), max(r.megabytes for r in runs))


def print_table(results: dict[tuple[str, str], dict[int, Measured]]) -> None:
    """Print seconds and megabytes of each task."""
    print("| pairs | " + " | ".join(f"{task}, {label}" for label, task in results) + " |")
    print("|---" * (1 + len(results)) + "|")
    for size in SIZES:
        cells = [_cell(rows.get(size)) for rows in results.values()]
        print(f"| {size:,} | " + " | ".join(cells) + " |")


def _cell(measured: Measured | None) -> str:
    if measured is None:
        return ""
    if math.isinf(measured.seconds):
        return f"over {LIMIT:.0f} s"
    seconds = f"{measured.seconds:.2g}" if measured.seconds < 10 else f"{measured.seconds:.0f}"
    return f"{seconds} s, {measured.megabytes:,.0f} MB"


COLOURS = {"fit": (200, 60, 30), "json": (20, 110, 160)}
LABELS = {"fit": "the fit", "json": "fit-cpab"}
"""The tasks in the plot; that of the other format would cover one of them."""
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 900, 560, 90, 30, 190, 70
DECADES_X, DECADES_Y = (2, 6), (-3, 3)


def draw(path: Path, results: dict[tuple[str, str], dict[int, Measured]]) -> None:
    """Plot seconds against pairs on logarithmic axes; the other checkout is dashed."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(picture)
    small = ImageFont.load_default(15)
    for decade in range(DECADES_X[0], DECADES_X[1] + 1):
        x, bottom = _place(10.0**decade, 10.0 ** DECADES_Y[0])
        pen.line([(x, TOP), (x, bottom)], (225, 225, 225))
        pen.text((x, bottom + 8), f"{10**decade:,}", "black", small, anchor="mt")
    for decade in range(DECADES_Y[0], DECADES_Y[1] + 1):
        left, y = _place(10.0 ** DECADES_X[0], 10.0**decade)
        pen.line([(left, y), (WIDTH - RIGHT, y)], (225, 225, 225))
        pen.text((left - 8, y), f"{10.0**decade:g} s", "black", small, anchor="rm")
    pen.text(((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 24), "pairs", "black", small, anchor="mm")
    for (label, task), rows in results.items():
        if task not in COLOURS:
            continue
        points = [_place(n, row.seconds) for n, row in rows.items() if math.isfinite(row.seconds)]
        for start, end in pairwise(points):
            _line(pen, start, end, COLOURS[task], dashed=label == "before")
        for x, y in points:
            pen.ellipse((x - 4, y - 4, x + 4, y + 4), COLOURS[task])
        x, y = points[-1]
        name = LABELS[task] if label == "now" else f"{LABELS[task]}, {label}"
        pen.text((x + 9, y + (6 if task == "fit" else -6)), name, COLOURS[task], small, anchor="lm")
    picture.save(path)


def _place(pairs: float, seconds: float) -> tuple[float, float]:
    across = (math.log10(pairs) - DECADES_X[0]) / (DECADES_X[1] - DECADES_X[0])
    up = (math.log10(seconds) - DECADES_Y[0]) / (DECADES_Y[1] - DECADES_Y[0])
    return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)


def _line(
    pen: ImageDraw.ImageDraw,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: tuple[int, int, int],
    *,
    dashed: bool,
) -> None:
    if not dashed:
        pen.line([start, end], colour, 2)
        return
    ends = np.linspace(start, end, 2 * max(1, round(math.dist(start, end) / 12)))
    for tail, tip in zip(ends[::2], ends[1::2], strict=True):
        pen.line([tuple(tail), tuple(tip)], colour, 2)


def main() -> None:
    """Measure, print the table and draw the plot."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--before", type=Path, metavar="CHECKOUT")
    parser.add_argument("--plot", type=Path, metavar="PNG")
    options = parser.parse_args()
    before = {"before": options.before.resolve()} if options.before else {}
    results = measure({**before, "after" if before else "now": HERE})
    print_table(results)
    if options.plot:
        draw(options.plot, results)


if __name__ == "__main__":
    main()
