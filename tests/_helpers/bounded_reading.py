"""A child process that reads files for tests, and reports what that took.

A reader that a hostile file brings down, or that needs too much time or memory, harms only the
child.
"""

import gc
import importlib
import json
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import psutil

from cpabmm_cli.failures import explain
from cpabmm_core.errors import CpabmmError

MOST_SECONDS = 5
MOST_MEGABYTES = 500
_PATIENCE_SECONDS = 30  # the machine may be busy with other work
_IMPORT_SECONDS = 120
_ADDRESS_SPACE = 10 << 30  # torch and its libraries reserve 5 GB; the rest protects the machine
_ROOT = Path(__file__).parents[2]


class Outcome(NamedTuple):
    """What a reader did with a file."""

    error: str | None
    """Class and message of the error that it raised; None if it returned."""
    message: str
    """The message of the error."""
    exit_code: int
    """Exit code of a command that ends with this error; 0 if the reader returned."""
    seconds: float
    """Processor time."""
    megabytes: float
    """Peak of the memory, less what the process held before."""


class BoundedReading:
    """Calls readers in a child process, which starts again if it dies.

    Readers are named ``module:function`` and take a path.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def check(self, reader: str, path: Path, *, exit_code: int, may_succeed: bool = False) -> str:
        """Check that a reader refuses a file in one line, in little time and memory.

        Args:
            reader: the reader.
            path: the file.
            exit_code: exit code of the error.
            may_succeed: whether the reader may also read the file.

        Returns:
            The message; empty if it read the file.
        """
        outcome = self.read(reader, path)
        assert outcome.seconds < MOST_SECONDS, f"{outcome.seconds:.1f} s: {outcome.error}"
        assert outcome.megabytes < MOST_MEGABYTES, f"{outcome.megabytes:.0f} MB: {outcome.error}"
        assert outcome.error is not None or may_succeed, "was read"
        if outcome.error is not None:
            assert outcome.exit_code == exit_code, outcome.error
            assert outcome.message.isprintable(), outcome.error
            assert path.name in outcome.message
            assert len(outcome.message.replace(str(path), "")) < 600
        return outcome.message

    def read(self, reader: str, path: Path) -> Outcome:
        """Call a reader; fail the test if it crashes, hangs or prints anything."""
        child = self._started()
        assert child.stdin is not None
        child.stdin.write(json.dumps([reader, str(path)]) + "\n")
        child.stdin.flush()
        self._answer(child, f"the import of {reader}", _IMPORT_SECONDS)
        line = self._answer(child, reader, _PATIENCE_SECONDS)
        *values, printed = json.loads(line)
        assert not printed, f"{reader} prints {printed}"
        return Outcome(*values)

    def _answer(self, child: "subprocess.Popen[str]", what: str, seconds: float) -> str:
        """Return the next line of the child; end it if there is none in this time."""
        assert child.stdout is not None
        readable, _, _ = select.select([child.stdout], [], [], seconds)
        line = child.stdout.readline() if readable else ""
        if not line:
            self._end()
            how = f"ends with status {child.returncode}" if readable else "hangs"
            raise AssertionError(f"{what} {how}")
        return line

    def _started(self) -> subprocess.Popen[str]:
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=_ROOT,
                env={**psutil.Process().environ(), "PYTHONPATH": f"{_ROOT}:{_ROOT / 'tests'}"},
            )
        return self._child

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None


def _peak_memory() -> int:
    """Return the peak of the resident memory in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise OSError("this system does not report the peak of the memory")


def _import(reader: str) -> Callable[[Path], object]:
    module, _, name = reader.partition(":")
    function: Callable[[Path], object] = getattr(importlib.import_module(module), name)
    return function


def _read(function: Callable[[Path], object], path: Path) -> list[object]:
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before, start = _peak_memory(), time.process_time()
    error, message, code = None, "", 0
    try:
        function(path)
    except CpabmmError as problem:
        error, message, code = (
            f"{type(problem).__name__}: {problem}",
            str(problem),
            explain(problem)[0],
        )
    except Exception as problem:
        error, message, code = f"{type(problem).__name__}: {problem}", str(problem), 1
    seconds = time.process_time() - start
    return [error, message, code, seconds, (_peak_memory() - before) / 1e6]


def _serve() -> None:
    """Answer each line, a reader and a path, with a line; lead all other output to a file."""
    import os
    import resource
    import tempfile

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + _ADDRESS_SPACE
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    answers = os.fdopen(os.dup(1), "w")
    with tempfile.TemporaryFile() as printed:
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
        for line in sys.stdin:
            reader, path = json.loads(line)
            function = _import(reader)  # its memory is not the reader's
            answers.write("imported\n")
            answers.flush()
            start = os.fstat(printed.fileno()).st_size
            answer = _read(function, Path(path))
            sys.stdout.flush()
            sys.stderr.flush()
            size = os.fstat(printed.fileno()).st_size - start
            answer.append(
                os.pread(printed.fileno(), min(size, 500), start).decode(errors="replace")
            )
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


if __name__ == "__main__":
    _serve()
