"""Several processes of one run on this machine, as ``accelerate launch`` starts them."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cpabmm_cli.console import terminal

Process = subprocess.Popen[bytes]

_GRACE_SECONDS = 20.0
"""How long the others may take to end by themselves when one process has failed."""
_LOOK_SECONDS = 0.1
_SIGNALLED = 128
_RESUME = "continue with --resume auto"
_STARTER, _FAILURES = "CPABMM_STARTER", "CPABMM_FAILURES"
"""Variables for the processes: who started them, and the folder for their last words."""


def usable_cores() -> int:
    """Cores that this process may run on, which can be fewer than the machine has."""
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_worker() -> bool:
    """Whether this process was started as one of several."""
    return "RANK" in os.environ


def is_main() -> bool:
    """Whether this process is the one that writes and prints."""
    return int(os.environ.get("RANK", "0")) == 0


def is_orphan() -> bool:
    """Whether the process that started this one as one of several is gone."""
    starter = os.environ.get(_STARTER)
    return starter is not None and os.getppid() != int(starter)


def leave_word(message: str, code: int) -> bool:
    """Tell the process that started this one why it fails; False if there is none to tell.

    It tells the person once what may have happened in every process.
    """
    folder = os.environ.get(_FAILURES)
    if folder is None or is_orphan():
        return False
    Path(folder, os.environ["RANK"]).write_text(f"{code} {message}", encoding="utf-8")
    return True


def run_processes(arguments: Sequence[str], count: int, *, cure: str = _RESUME) -> int:
    """Run ``cpabmm ARGUMENTS`` in `count` processes that find each other; the exit code of all."""
    return run_together([sys.executable, "-m", "cpabmm_cli", *arguments], count, cure=cure)


def run_together(
    command: Sequence[str], count: int, *, grace: float = _GRACE_SECONDS, cure: str = _RESUME
) -> int:
    """Run a command in `count` processes that find each other, and say why it failed if it did.

    Signals go on to every process. When one fails the others are asked to end, and killed if they
    have not done so after the grace.

    Args:
        command: program and arguments.
        count: number of processes.
        grace: in seconds.
        cure: what to do when something killed a process.

    Returns:
        0, or the exit code of the process that failed first; 128 + signal if one ended it.
    """
    asked: list[int] = []
    with tempfile.TemporaryDirectory(prefix="cpabmm-") as words, _noting_signals(asked):
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
        ours = {**address, _STARTER: str(os.getpid()), _FAILURES: words}
        processes = [_start(command, rank, count, ours) for rank in range(count)]
        failed = _wait(processes, asked, grace)
        if failed is None:
            return 0
        said, message = _first_words(Path(words))
        code = processes[failed].returncode
        if code == -signal.SIGABRT and said is not None:
            code = said  # PyTorch aborts where the connection with one that failed breaks
        if code < 0 and not asked:
            message = f"process {failed} was ended by signal {-code}; {cure}"
        if message is not None:
            terminal.error(message)
        return code if code > 0 else _SIGNALLED - code


@contextmanager
def _noting_signals(asked: list[int]) -> Iterator[None]:
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {
        number: signal.signal(number, lambda number, _: asked.append(number)) for number in signals
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(command: Sequence[str], rank: int, count: int, variables: dict[str, str]) -> Process:
    threads = {"OMP_NUM_THREADS": str(max(1, usable_cores() // count))}
    return subprocess.Popen(
        command,
        env={
            **threads,
            **os.environ,
            **variables,
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(count),
            "LOCAL_WORLD_SIZE": str(count),
        },
        stdout=None if rank == 0 else subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches them once, from here
    )


def _wait(processes: Sequence[Process], asked: list[int], grace: float) -> int | None:
    """Wait until all have ended; the one that failed first."""
    failed, passed_on, deadline = None, 0, 0.0
    while None in [process.poll() for process in processes]:
        for number in asked[passed_on:]:
            _signal(processes, number)
            passed_on += 1
        if failed is None:
            failed = _first_failure(processes)
            deadline = time.monotonic() + grace
            if failed is not None and not asked:  # those that were asked to end know it already
                _signal(processes, signal.SIGTERM)
        elif time.monotonic() > deadline:
            _signal(processes, signal.SIGKILL)
        time.sleep(_LOOK_SECONDS)
    return _first_failure(processes) if failed is None else failed


def _signal(processes: Sequence[Process], number: int) -> None:
    for process in processes:
        process.send_signal(number)


def _first_failure(processes: Sequence[Process]) -> int | None:
    return next((rank for rank, process in enumerate(processes) if process.returncode), None)


def _first_words(words: Path) -> tuple[int | None, str | None]:
    """Exit code and reason of the first process to tell; others may fail because of it."""
    told = sorted(words.iterdir(), key=lambda file: file.stat().st_mtime_ns)
    if not told:
        return None, None
    code, _, message = told[0].read_text(encoding="utf-8").partition(" ")
    return int(code), message


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
