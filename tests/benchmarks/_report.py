"""What benchmarks return, and the machine they ran on.

A benchmark is a module `bench_NAME.py` with a function that takes less than a minute::

    INSTRUCTION_SETS = ("native", "avx2")  # optional; one process each; ("native",) by default

    def machine() -> Machine: ...  # optional; `describe_machine` by default

    def measure() -> list[Row]: ...

    @pytest.mark.usefixtures("all_cores")
    def test_frame() -> None:
        print_rows(measure())

`python -m tests.benchmarks NAME` runs it, and so does `python -m pytest -s` on its file. Both sides
of a row alternate in one process, so that other load affects both alike. Modules import each other
as `benchmarks.peer_loop`.
"""

import datetime
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

InstructionSet = Literal["native", "avx2"]
"""``native`` is all that the CPU has; ``avx2`` holds the libraries to AVX2."""

_HASWELL = (
    "+64bit,+adx,+aes,+avx,+avx2,+bmi,+bmi2,+cmov,+cx16,+cx8,+crc32,+f16c,+fma,+fsgsbase,+fxsr,"
    "+invpcid,+lzcnt,+mmx,+movbe,+pclmul,+popcnt,+rdrnd,+sahf,+sse,+sse2,+sse3,+sse4.1,+sse4.2,"
    "+ssse3,+xsave,+xsaveopt"
)
LIBRARY_SETTINGS: Mapping[InstructionSet, Mapping[str, str]] = {
    "native": {},
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",  # PyTorch
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": _HASWELL,  # with the name alone, Numba keeps AVX-512
    },
}
"""The environment variables that limit each library; they apply before it is imported."""
QUICK = "BENCHMARKS_QUICK"
"""The environment variable that makes `alternate` time each action once."""
_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
_PACKAGES = ("torch", "numba", "numpy")


@dataclass(frozen=True)
class Row:
    """One comparison, both sides measured in one run.

    Example:
        >>> Row("a frame", "TPSMM's loop", peer_seconds=3.0, ours_seconds=1.5).ratio
        2.0
    """

    what: str
    """What is measured: "animated frame, full width, float32"."""
    peer: str
    """What it is compared with: "TPSMM's loop"."""
    peer_seconds: float
    ours_seconds: float
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times faster ours is."""
        return self.peer_seconds / self.ours_seconds


@dataclass(frozen=True)
class Machine:
    """Where and when a benchmark ran."""

    cpu: str
    flags: tuple[str, ...]
    """The CPU's instruction sets, of those that matter here."""
    instruction_set: str
    """What the run computed with: "AVX-512 and AMX", or "held to AVX2"."""
    cores: int
    threads: int
    """Threads of PyTorch."""
    memory_gb: int
    system: str
    python: str
    packages: dict[str, str]
    date: str

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Machine":
        """Read what `dataclasses.asdict` made, also after a way through JSON."""
        return cls(**{**values, "flags": tuple(values["flags"])})

    def __str__(self) -> str:
        flags = ", ".join(self.flags) or "none of AVX2 and AVX-512"
        packages = ", ".join(f"{name} {number}" for name, number in self.packages.items())
        return (
            f"{self.cpu}, {self.cores} cores ({flags}), {self.memory_gb} GB; {self.system}; "
            f"Python {self.python}, {packages}; {self.threads} threads, {self.instruction_set}; "
            f"{self.date}"
        )


def describe_machine() -> Machine:
    """Describe this machine and this process.

    Example:
        >>> describe_machine().threads > 0
        True
    """
    import psutil
    import torch

    return Machine(
        cpu=_cpu_name(),
        flags=tuple(flag for flag in _FLAGS if flag in _cpu_flags()),
        instruction_set=_instruction_set(_cpu_flags()),
        cores=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        memory_gb=round(psutil.virtual_memory().total / 2**30),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        packages={name: number for name in _PACKAGES if (number := _version(name))},
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
    )


def alternate(
    actions: Sequence[Callable[[], object]], *, repeats: int = 5, warm_up: int = 1
) -> list[float]:
    """Time actions in turn, so that other load affects all of them alike.

    Args:
        actions: what to time.
        repeats: how many times each action is timed; once with the option ``--quick``.
        warm_up: how many times each action runs before.

    Returns:
        The median of the seconds of each action.
    """
    repeats = 1 if os.environ.get(QUICK) else repeats
    times: list[list[float]] = [[] for _ in actions]
    for turn in range(warm_up + repeats):
        for action, taken in zip(actions, times, strict=True):
            start = perf_counter()
            action()
            if turn >= warm_up:
                taken.append(perf_counter() - start)
    return [statistics.median(taken) for taken in times]


def print_rows(rows: Sequence[Row]) -> None:
    """Print the machine and one line for each row."""
    print(f"\n{describe_machine()}")
    for row in rows:
        note = f" ({row.note})" if row.note else ""
        print(
            f"{row.what}: ours {seconds_text(row.ours_seconds)}, "
            f"{row.peer} {seconds_text(row.peer_seconds)}, ratio {row.ratio:.2f}{note}"
        )


def seconds_text(seconds: float) -> str:
    """Write a time with three digits and a fitting unit.

    Example:
        >>> seconds_text(0.01234), seconds_text(2.5), seconds_text(4.2e-5)
        ('12.3 ms', '2.50 s', '42.0 µs')
    """
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        value = seconds * factor
        if value >= 1 or unit == "µs":
            break
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f} {unit}"


def _cpu_name() -> str:
    for line in _cpu_lines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _cpu_flags() -> set[str]:
    for line in _cpu_lines():
        if line.startswith("flags"):
            return set(line.split(":", 1)[1].split())
    return set()


def _cpu_lines() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []


def _instruction_set(flags: set[str]) -> str:
    if all(os.environ.get(key) == value for key, value in LIBRARY_SETTINGS["avx2"].items()):
        return "held to AVX2"
    if "avx512f" in flags:
        return "AVX-512 and AMX" if "amx_bf16" in flags else "AVX-512"
    return "AVX2" if "avx2" in flags else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
