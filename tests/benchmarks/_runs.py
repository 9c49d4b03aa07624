"""Find the benchmarks and run each in a process of its own."""

import ast
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, cast

from benchmarks._report import LIBRARY_SETTINGS, QUICK, InstructionSet, Machine, Row

TESTS = Path(__file__).parents[1]
LIMIT = 600.0
"""Seconds after which a benchmark counts as stuck."""


@dataclass(frozen=True)
class Benchmark:
    """A module with a function `measure`."""

    name: str
    path: Path
    instruction_sets: tuple[InstructionSet, ...] = ("native",)


@dataclass(frozen=True)
class Run:
    """What came out of one benchmark in one process."""

    benchmark: str
    instruction_set: InstructionSet
    rows: tuple[Row, ...] = ()
    machine: Machine | None = None
    seconds: float = 0.0
    trouble: str = ""
    """Why there are no rows."""
    failed: bool = False
    """False if the benchmark does not apply to this machine, for example without a GPU."""
    text: str = ""
    """What the benchmark writes about itself into the documentation, in place of a table."""

    def to_dict(self) -> dict[str, Any]:
        """Return the values for JSON, with the ratio of each row."""
        rows = [{**asdict(row), "ratio": row.ratio} for row in self.rows]
        return {**asdict(self), "rows": rows}


def find_benchmarks(folder: Path) -> dict[str, Benchmark]:
    """Return the benchmarks of a folder by name, without importing them."""
    found = {}
    for path in sorted(folder.glob("bench_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "measure" for node in tree.body):
            name = path.stem.removeprefix("bench_")
            found[name] = Benchmark(name, path, _instruction_sets(tree))
    return found


def _instruction_sets(tree: ast.Module) -> tuple[InstructionSet, ...]:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(each, ast.Name) and each.id == "INSTRUCTION_SETS" for each in targets):
            names = ast.literal_eval(cast(ast.Assign, node).value)
            return tuple(cast(InstructionSet, name) for name in names if name in LIBRARY_SETTINGS)
    return ("native",)


def instruction_sets(benchmark: Benchmark, flags: Sequence[str]) -> tuple[InstructionSet, ...]:
    """Return those that differ on a CPU with these flags: AVX2 is all that some have."""
    if "avx512f" in flags:
        return benchmark.instruction_sets
    return ("native",)


def run(
    benchmark: Benchmark,
    instruction_set: InstructionSet = "native",
    *,
    quick: bool = False,
    images: Path | None = None,
    limit: float = LIMIT,
) -> Run:
    """Run a benchmark in a process of its own; what it prints goes to stderr.

    Args:
        benchmark: what to run.
        instruction_set: what PyTorch, oneDNN, MKL and Numba may use.
        quick: time each action once.
        images: the folder for plots; None draws none.
        limit: seconds to wait.

    Returns:
        Its rows, or why there are none.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "result.json"
        command = [sys.executable, "-m", "benchmarks._child", _module(benchmark), str(output)]
        command += [] if images is None else [str(images)]
        started = perf_counter()
        environment = _environment(benchmark, instruction_set, quick)
        with _process_group(command, environment) as process:
            try:
                status: int | None = process.wait(limit)
            except subprocess.TimeoutExpired:
                status = None
        seconds = perf_counter() - started
        if status is None:
            result: dict[str, Any] = {"trouble": f"took longer than {limit:.0f} s"}
        elif output.exists():
            result = json.loads(output.read_text(encoding="utf-8"))
        else:
            result = {"trouble": f"ended by signal {-status}" if status < 0 else "no result"}
    return _read(benchmark.name, instruction_set, seconds, result)


def _module(benchmark: Benchmark) -> str:
    return f"{benchmark.path.parent.name}.{benchmark.path.stem}"


def _environment(benchmark: Benchmark, held: InstructionSet, quick: bool) -> dict[str, str]:
    paths = (benchmark.path.parents[1], TESTS, TESTS.parent)
    settings = {"PYTHONPATH": os.pathsep.join(map(str, paths)), **LIBRARY_SETTINGS[held]}
    return {**os.environ, **settings, **({QUICK: "1"} if quick else {})}


@contextmanager
def _process_group(
    command: list[str], environment: Mapping[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a process that leads a group, and end whatever is left of the group."""
    process = subprocess.Popen(
        command, env=environment, stdout=sys.stderr.fileno(), start_new_session=True
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _read(name: str, held: InstructionSet, seconds: float, result: Mapping[str, Any]) -> Run:
    machine = result.get("machine")
    return Run(
        name,
        held,
        tuple(Row(**row) for row in result.get("rows", [])),
        machine and Machine.from_dict(machine),
        seconds,
        result.get("trouble", ""),
        bool(result.get("failed", "trouble" in result)),
        result.get("text", ""),
    )
