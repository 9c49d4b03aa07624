"""Runs of ``cpabmm train`` in separate processes, which tests may kill."""

import gc
import json
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import FrameType

PATIENCE = 120.0
"""Seconds before a test stops waiting for a run."""
# Processes are forked from a server that has only imported these modules, because the imports take
# longer than the runs.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["pytest", "torch.nn", "cpabmm_cli.app", "cpabmm_core.training.loop"]
)


@dataclass(frozen=True)
class Process:
    """A process and the files of its output."""

    handle: ForkServerProcess
    words: Path
    """Path of the output files without their suffixes ``.stdout`` and ``.stderr``."""

    @property
    def stderr(self) -> str:
        """The text on stderr so far."""
        return Path(f"{self.words}.stderr").read_text()

    @property
    def stdout(self) -> str:
        """The text on stdout so far."""
        return Path(f"{self.words}.stdout").read_text()

    def send(self, number: int) -> None:
        """Send a signal to the process."""
        assert self.handle.pid is not None
        os.kill(self.handle.pid, number)

    def wait(self) -> int:
        """Wait for the end; return the exit code, or the negative number of the fatal signal."""
        self.handle.join(PATIENCE)
        code = self.handle.exitcode
        if code is None:
            self.handle.kill()
            raise AssertionError(f"still running after {PATIENCE} s: {self.stderr}")
        return code


def begin(
    words: Path, action: Callable[..., None], *arguments: object, **variables: str
) -> Process:
    """Call a function of a module in a new process.

    Args:
        words: path of the output files, without their suffixes ``.stdout`` and ``.stderr``.
        action: the function to call.
        arguments: its arguments.
        variables: environment variables to set.
    """
    for ending in ("stdout", "stderr"):
        Path(f"{words}.{ending}").write_text("")
    handle = _CONTEXT.Process(target=_act, args=(words, action, arguments, variables))
    handle.start()
    return Process(handle, words)


def begin_all(
    count: int, words: Path, action: Callable[..., None], *arguments: object
) -> list[Process]:
    """Call a function in a group of connected processes, like torchrun."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1])}
    world = {**address, "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    return [
        begin(
            Path(f"{words}-{rank}"),
            action,
            *arguments,
            **world,
            RANK=str(rank),
            LOCAL_RANK=str(rank),
        )
        for rank in range(count)
    ]


def command(*arguments: object) -> None:
    """Run ``cpabmm`` with these arguments, like the console script."""
    from cpabmm_cli.app import main

    sys.argv = ["cpabmm", *map(str, arguments)]
    main()


def command_killed_at(call: str, number: int, *arguments: object) -> None:
    """Run ``cpabmm``, and kill it at the n-th call of a function of `os`, such as ``replace``."""
    die_at(call, number)
    command(*arguments)


def command_with_long_steps(log: Path, *arguments: object) -> None:
    """Run ``cpabmm`` with steps of two minutes, and log the start of a step and a stop signal."""
    from cpabmm_cli.stopping import StopOnSignal
    from cpabmm_core.training.step import TrainingStep

    note = StopOnSignal._note

    def note_and_write(stop: StopOnSignal, number: int, frame: FrameType | None) -> None:
        note(stop, number, frame)
        log.write_text("in a step\nstop requested\n")

    def take(*_: object) -> None:
        log.write_text("in a step\n")
        time.sleep(PATIENCE)

    setattr(StopOnSignal, "_note", note_and_write)  # noqa: B010
    setattr(TrainingStep, "take", take)  # noqa: B010
    command(*arguments)


def hold_folder_with_child(folder: Path, note: Path) -> None:
    """Lock a run folder, fork a child like a data worker, and write the child's ID to a file."""
    from cpabmm_core.training.reporting import Silent
    from cpabmm_core.training.run_lock import lock_folder

    with lock_folder(folder, "cpu", Silent()):
        child = os.fork()
        if child:
            note.write_text(f"{child}\n")
        time.sleep(PATIENCE)


def die_at(call: str, number: int) -> None:
    """Make this process kill itself at its n-th call of a function of `os`."""
    original, calls = getattr(os, call), 0

    def counted(*arguments: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **options)

    setattr(os, call, counted)


def lines(log: Path) -> list[dict[str, float]]:
    """Return the entries of a log in JSON lines."""
    return [json.loads(line) for line in log.read_text().splitlines()]


def wait_for_lines(log: Path, count: int) -> None:
    """Wait until a log has at least `count` lines."""
    wait_until(lambda: log.exists() and log.read_text().count("\n") >= count)


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll until a condition is true; fail after `PATIENCE` seconds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"condition still false after {PATIENCE} s"
        time.sleep(0.002)


def _act(
    words: Path,
    action: Callable[..., None],
    arguments: tuple[object, ...],
    variables: Mapping[str, str],
) -> None:
    import torch

    for number, ending in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(f"{words}.{ending}", os.O_WRONLY | os.O_APPEND), number)
    os.environ.update(variables)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in background jobs
    gc.freeze()  # skip the imported modules in garbage collections, which would be slow
    torch.set_num_threads(1)
    action(*arguments)
