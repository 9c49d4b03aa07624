"""The process that reads mutated inputs, guided by the coverage of the readers.

The driver starts it. libFuzzer (through `atheris`) chooses inputs, and keeps those that reach new
code. This process may crash or hang in native code at any time; the input that it reads then lies
in its folder.
"""

import argparse
import faulthandler
import importlib
import json
import os
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from types import FunctionType, ModuleType
from zlib import crc32

from fuzz.mutation import Mutator
from fuzz.oracle import Finding, Judge, Target
from fuzz.scratch import Scratch
from fuzz.targets import load_target

_LARGEST_INPUT = 400_000
_STATISTICS_SECONDS = 1
_ADDRESS_SPACE = 6 << 30  # in addition to what the libraries reserve
_LEFT_ALONE = ("segv", "abrt", "bus", "fpe", "ill", "int", "term", "usr1", "usr2", "xfsz")
"""Signals that libFuzzer does not handle, so that `faulthandler` can."""
_MARKS = 4096
_INSTRUMENTED = {
    "pictures": ("cpabmm_core.media", "cpabmm_core.files", "PIL", "pillow_heif", "imageio"),
    "videos": ("cpabmm_core.media", "cpabmm_core.files"),
    "keypoints": (
        "cpabmm_core.pointsets", "cpabmm_core.metrics.extractors.precomputed", "numpy.lib._format"
    ),
    "configurations": (
        "cpabmm_core.config", "cpabmm_core.checkpoint.older", "yaml.constructor", "yaml.resolver"
    ),
    "checkpoints": (
        "cpabmm_core.checkpoint", "cpabmm_core.config", "cpabmm_core.files",
        "cpabmm_core.metrics.extractors.onnx", "cpabmm_core.training.state", "safetensors",
        "cpabmm_core.models.frozen", "torch.serialization", "torch._weights_only_unpickler",
    ),
}  # fmt: skip
"""How the names of the modules begin whose coverage guides the choice of inputs, by target."""


class Worker:
    """Runs the inputs of libFuzzer through the judge of a target.

    Args:
        folder: folder of the run; see `fuzz.driver`.
        target: the readers.
        marks: functions whose calls count as coverage. Native code is not instrumented, so each
            outcome calls one of them; a new outcome then counts like new code.
    """

    def __init__(self, folder: Path, target: Target, marks: Sequence[Callable[[], None]]) -> None:
        self._folder = folder
        self._target = target
        self._marks = marks
        self._scratch = Scratch(folder / "scratch")
        self._known = {entry.name for entry in (folder / "findings").iterdir()}
        self._blocked = set((folder / "blocked.txt").read_text().split())
        self._judge: Judge | None = None
        self._counts: dict[str, int] = {}
        self._executions = 0
        self._written = 0.0

    def run_one(self, data: bytes) -> None:
        """Read one input; its first byte chooses the suffix."""
        if self._judge is None:  # by now libFuzzer has its own copy of stderr
            self._judge = self._scratch.judge(self._target)
        if len(data) < 2 or sha256(data).hexdigest() in self._blocked:
            return
        suffix = self._target.suffixes[data[0] % len(self._target.suffixes)]
        path = self._scratch.write_input(data[1:], suffix)
        (self._folder / "current").write_bytes(data)
        for finding in self._judge.judge(path):
            self._record(finding, data, suffix)
        for outcome in self._judge.latest:
            self._marks[crc32(outcome.encode(errors="replace")) % len(self._marks)]()
        path.unlink(missing_ok=True)
        self._executions += 1
        if time.monotonic() - self._written > _STATISTICS_SECONDS:
            self.write_statistics()

    def write_statistics(self) -> None:
        """Write what this process has done so far."""
        self._written = time.monotonic()
        outcomes = sorted(self._judge.outcomes) if self._judge else []
        numbers = {
            "executions": self._executions, "outcomes": outcomes, "findings": self._counts
        }  # fmt: skip
        temporary = self._folder / "statistics.tmp"
        temporary.write_text(json.dumps(numbers))
        temporary.replace(self._folder / f"statistics-{os.getpid()}.json")

    def _record(self, finding: Finding, data: bytes, suffix: str) -> None:
        name = sha256(finding.key.encode(errors="replace")).hexdigest()[:12]
        self._counts[name] = self._counts.get(name, 0) + 1
        if name in self._known:
            return
        self._known.add(name)
        folder = self._folder / "findings" / name
        folder.mkdir(exist_ok=True)
        (folder / f"input{suffix}").write_bytes(data[1:])
        (folder / "corpus-entry").write_bytes(data)
        text = json.dumps({**vars(finding), "key": finding.key}, indent=1)
        (folder / "finding.json").write_text(text)


def main() -> None:
    """Fuzz one target until the driver ends this process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    folder: Path = arguments.folder.resolve()
    with open(folder / "trace.txt", "w") as trace:
        faulthandler.enable(trace, all_threads=False)
        faulthandler.register(signal.SIGUSR1, trace, all_threads=False)
        tempfile.tempdir = str(folder / "scratch" / "tmp")
        for category in (UserWarning, RuntimeWarning, FutureWarning, SyntaxWarning):
            warnings.simplefilter("always", category)
        _fuzz(folder, arguments.target, arguments.seed)


def _fuzz(folder: Path, name: str, seed: int) -> None:
    atheris = importlib.import_module("atheris")  # it has no types
    target = load_target(name)
    for module in [m for n, m in sys.modules.items() if n.startswith(_INSTRUMENTED[name])]:
        for function in _functions(module):
            atheris.instrument_func(function)
    worker = Worker(folder, target, [atheris.instrument_func(_mark()) for _ in range(_MARKS)])
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + _ADDRESS_SPACE, -1))
    pool = [entry.read_bytes()[1:] for entry in sorted((folder / "corpus").glob("seed-*"))]
    mutator = Mutator(pool, lambda data, limit: bytes(atheris.Mutate(data, limit)))

    def mutate(data: bytes, limit: int, chance: int) -> bytes:
        return data[:1] + mutator.mutate(bytes(data[1:]), limit - 1, chance)

    options = [
        f"-seed={seed}", f"-max_len={_LARGEST_INPUT}", "-len_control=0", "-rss_limit_mb=0",
        "-timeout=100000", "-close_fd_mask=3", "-reload=0", f"-artifact_prefix={folder}/libfuzzer-",
        *(f"-handle_{kind}=0" for kind in _LEFT_ALONE),
    ]  # fmt: skip
    atheris.Setup(
        [sys.argv[0], str(folder / "corpus"), *options], worker.run_one, custom_mutator=mutate
    )
    atheris.Fuzz()


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    """Yield the functions and methods that a module defines."""
    holders = [module, *(v for v in vars(module).values() if isinstance(v, type))]
    for holder in holders:
        if getattr(holder, "__module__", module.__name__) != module.__name__:
            continue
        for value in list(vars(holder).values()):
            function = getattr(value, "fget", None) or getattr(value, "__func__", value)
            if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                yield function


def _mark() -> Callable[[], None]:
    def mark() -> None:
        pass

    return mark


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
