"""Running a command in several processes on this machine with torchrun's launcher.

The launcher connects the processes, monitors them, and ends all of them when one fails. This module
adds what a command line needs: a one-line error instead of a traceback, the exit code of the
process that failed, results that are printed once, and time to save the state after a signal, which
may exceed the launcher's own deadline. The launcher runs in a thread, because in the main thread it
would handle the signals itself.
"""

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from cpabmm_cli.console import terminal
from cpabmm_cli.failures import CURES
from cpabmm_cli.processes import STARTER, usable_cores
from cpabmm_core.errors import Remedy

if TYPE_CHECKING:
    import psutil
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure
    from torch.distributed.launcher.api import LaunchConfig

_POLL_SECONDS = 0.1
_SIGNALLED = 128


class _Report(NamedTuple):
    """The report of a process that called `report_failure`."""

    time: float
    exit_code: int
    message: str


def run_processes(arguments: Sequence[str], count: int, *, cure: str = CURES[Remedy.RESUME]) -> int:
    """Run ``cpabmm ARGUMENTS`` in `count` connected processes and return the exit code."""
    return run_together([sys.executable, "-m", "cpabmm_cli", *arguments], count, cure=cure)


def run_together(command: Sequence[str], count: int, *, cure: str = CURES[Remedy.RESUME]) -> int:
    """Run a command in `count` connected processes, and print why it failed if it did.

    Signals are passed on to every process. When one process fails, the launcher terminates the
    others and kills those that have not ended after 30 seconds.

    Args:
        command: program and arguments.
        count: number of processes.
        cure: advice in the message if a signal killed a process.

    Returns:
        0, or the exit code of the process that failed first, 128 + n after signal n.
    """
    with (
        TemporaryDirectory(prefix="cpabmm-") as folder,
        _environment(count),
        _collect_signals() as received,
    ):
        failures = _launch(command, count, Path(folder), received)
        if not failures:
            return 0
        first = failures[0]
        code, report = first.exitcode, _first_report(Path(folder))
    message = None if report is None else report.message
    if code == -signal.SIGABRT and report is not None:
        code = report.exit_code  # PyTorch aborts when the connection to a failed process breaks
    if code < 0 and not received:
        message = f"process {first.local_rank} was killed by signal {-code}; {cure}"
    if message is not None:
        terminal.error(message)
    return code if code > 0 else _SIGNALLED - code


def _launch(
    command: Sequence[str], count: int, folder: Path, received: list[int]
) -> list["ProcessFailure"]:
    """Run the launcher to its end, pass signals on, and return the failures, earliest first."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import elastic_launch

    failures: list[ProcessFailure] = []
    errors: list[Exception] = []
    config = _launch_config(count, folder)

    def launch() -> None:
        try:
            elastic_launch(config, command[0])(*command[1:])
        except ChildFailedError as error:
            failures.extend(error.failures.values())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=launch, daemon=True)
    thread.start()
    started, passed_on = False, 0
    while thread.is_alive():
        thread.join(_POLL_SECONDS)
        started = started or len(_workers()) == count
        if started and len(received) > passed_on:
            _send(_workers(), received[passed_on])
            passed_on += 1
    if errors:
        raise errors[0]
    return failures


def _launch_config(count: int, folder: Path) -> "LaunchConfig":
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
    from torch.distributed.launcher.api import LaunchConfig

    redirects = {rank: Std.OUT if rank else Std.NONE for rank in range(count)}
    return LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id="cpabmm",
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
        max_restarts=0,
        monitor_interval=_POLL_SECONDS,
        logs_specs=DefaultLogsSpecs(log_dir=str(folder), redirects=redirects),
    )


def _workers() -> list["psutil.Process"]:
    """Return the running processes that the launcher started."""
    import psutil

    this, found = psutil.Process(), []
    for child in this.children():
        try:
            if child.environ().get(STARTER) == str(this.pid):
                found.append(child)
        except psutil.Error:  # it has ended
            continue
    return found


def _send(workers: Sequence["psutil.Process"], number: int) -> None:
    import psutil

    for worker in workers:
        try:
            worker.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def _first_report(folder: Path) -> _Report | None:
    """Return the earliest report; later ones may be consequences of the first failure."""
    reports = []
    for file in folder.rglob("error.json"):
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:  # the process was killed while it wrote
            continue
        if "exit_code" in content:
            message = content["message"]["message"]
            reports.append(_Report(content["time"], content["exit_code"], message))
    return min(reports, default=None)


@contextmanager
def _environment(count: int) -> Iterator[None]:
    """Set environment variables for the processes, and silence the launcher's own log."""
    before = dict(os.environ)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // count)))
    os.environ[STARTER] = str(os.getpid())
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(level)
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _collect_signals() -> Iterator[list[int]]:
    """Collect the numbers of SIGINT and SIGTERM instead of handling them."""
    received: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: received.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
