"""Benchmark the start-up time of `cpabmm`, compared with Python alone.

    python -m pytest -s tests/benchmarks/bench_startup.py

Prints the shortest of ten wall-clock times of each command, and their ratio to `python -c pass`.
"""

import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import typer, rich": ["-c", "import typer, rich.console"],
    "cpabmm --version": ["-m", "cpabmm_cli", "--version"],
    "cpabmm --help": ["-m", "cpabmm_cli", "--help"],
    "cpabmm animate --sideways": ["-m", "cpabmm_cli", "animate", "--sideways"],
    "import torch": ["-c", "import torch"],
}
REPEATS = 10


def seconds(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=False)
    return time.perf_counter() - start


def test_startup() -> None:
    shortest = dict.fromkeys(COMMANDS, float("inf"))
    for _ in range(REPEATS):  # in turn, so that other load affects all commands equally
        for name, arguments in COMMANDS.items():
            shortest[name] = min(shortest[name], seconds(arguments))
    bare = shortest["python -c pass"]
    for name, taken in shortest.items():
        print(f"{name:28} {taken:6.3f} s {taken / bare:6.1f}")
