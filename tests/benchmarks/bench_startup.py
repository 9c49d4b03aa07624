"""Benchmark the start-up of `cpabmm`: help, version, and the first frame of the first command.

    python -m pytest -s tests/benchmarks/bench_startup.py

Peers are Python with PyTorch alone, which no command that animates can beat, and, for the first
frame, the same command after timm and torchvision were imported, as up to version 0.1. The rows
with an empty cache are those of the first command after the installation.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from benchmarks._report import Row, print_rows

EXAMPLES = Path(__file__).parents[2] / "examples"
REPEATS = 3
FIRST_FRAME = """
import sys, time
from contextlib import contextmanager
import cpabmm_cli.animation_runs as runs
from cpabmm_cli.app import app
from cpabmm_core.inference.callbacks import AnimationCallbacks
{before}
@contextmanager
def show(stage):
    yield lambda done, total=None: done == 1 and stage == "rendering" and print("first", flush=True)
runs.callbacks = lambda *args, **options: AnimationCallbacks(show=show)
app(["-q", "animate", {source!r}, {driving!r}, "-o", sys.argv[1], "--force"])
"""


def run(arguments: list[str], **environment: str) -> float:
    """Return the seconds that Python takes."""
    start = perf_counter()
    subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        check=True,
        env={**os.environ, **environment},
    )
    return perf_counter() - start


def animate(before: str = "", **environment: str) -> tuple[float, float]:
    """Return the seconds until the first frame and until the end of the first command."""
    source, driving = str(EXAMPLES / "source.png"), str(EXAMPLES / "driving.mp4")
    code = FIRST_FRAME.format(before=before, source=source, driving=driving)
    with tempfile.TemporaryDirectory() as folder:
        start = perf_counter()
        with subprocess.Popen(
            [sys.executable, "-c", code, f"{folder}/o.mp4"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **environment},
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"first\n"
            first = perf_counter() - start
            process.communicate()
        return first, perf_counter() - start


def measure() -> list[Row]:
    """Measure in turns, so that other load affects both sides; the shortest times count."""
    animate()  # fills the cache of Numba and that of the system
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as cache:
        cold = animate(NUMBA_CACHE_DIR=cache)
    for _ in range(REPEATS):
        warm, older = animate(), animate("import timm, torchvision")
        for name, seconds in {
            "python": run(["-c", "pass"]),
            "torch": run(["-c", "import torch"]),
            "typer": run(["-c", "import typer, typer.rich_utils"]),
            "--version": run(["-m", "cpabmm_cli", "--version"]),
            "--help": run(["-m", "cpabmm_cli", "--help"]),
            "first": warm[0],
            "all": warm[1],
            "first, older": older[0],
            "all, older": older[1],
        }.items():
            times.setdefault(name, []).append(seconds)
    best = {name: min(values) for name, values in times.items()}
    older_imports = "with timm and torchvision"
    return [
        Row("cpabmm --version", "import of Typer", best["typer"], best["--version"]),
        Row("cpabmm --help", "import of Typer", best["typer"], best["--help"]),
        Row("first frame, cache full", older_imports, best["first, older"], best["first"]),
        Row("75 frames, cache full", older_imports, best["all, older"], best["all"]),
        Row("first frame, cache full", "import of torch", best["torch"], best["first"]),
        Row("first frame, cache empty", "cache full", best["first"], cold[0]),
        Row("75 frames, cache empty", "cache full", best["all"], cold[1]),
    ]


def test_startup() -> None:
    print_rows(measure())
