"""From errors to one line on stderr and an exit code (the table in docs/cli.md)."""

import errno
import functools
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

from cpabmm_cli.console import terminal
from cpabmm_cli.processes import report_failure
from cpabmm_core.errors import (
    CheckpointError,
    ConfigError,
    CpabmmError,
    DataError,
    MediaError,
    Remedy,
    ResourceError,
    TrainingStopped,
)

P = ParamSpec("P")

RUN_FAILED = 1
INTERRUPTED = 130
_SIGNALLED = 128
_CODES: dict[type[CpabmmError], int] = {
    MediaError: 3,
    DataError: 3,
    ConfigError: 4,
    CheckpointError: 4,
    ResourceError: 5,
}
_CURES = {
    Remedy.OVERWRITE: "choose another name or use --force",
    Remedy.RESUME: "continue with --resume auto",
    Remedy.CHOOSE_DEVICE: "use --device auto or cpu",
    Remedy.LIST_CHECKPOINTS: "`cpabmm checkpoints` lists the names",
    Remedy.CONVERT: "convert it with `cpabmm convert`",
    Remedy.TRAIN_AVD: "train one with `cpabmm train --stage avd`",
    Remedy.DOWNLOAD: "use --download",
    Remedy.WHOLE_VIDEOS: "use --scenes none",
}
"""Cures of the core's errors in terms of the command line."""
_OUT_OF_RESOURCES = 5
_OUT_OF_MEMORY = (
    "out of memory; lower --batch-size (when training --set training.batch_size=N), "
    "or use another --device"
)
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")


def with_exit_code(command: Callable[P, None]) -> Callable[P, None]:
    """The command, ending in one line on stderr and the exit code of the error if one is raised."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (typer.Exit, typer.BadParameter, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            _tell("interrupted", INTERRUPTED)
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if terminal.debug:
                terminal.traceback(error)
            code, message = explain(error)
            _tell(message, code)
            raise typer.Exit(code) from None

    return run


def _tell(message: str, code: int) -> None:
    if not report_failure(message, code):
        terminal.error(message)


def explain(error: Exception) -> tuple[int, str]:
    """The exit code and the line for an error."""
    if isinstance(error, TrainingStopped):
        return _SIGNALLED + error.signal, message_of(error)
    if isinstance(error, CpabmmError):
        codes = [code for kind, code in _CODES.items() if isinstance(error, kind)]
        return (codes or [RUN_FAILED])[0], message_of(error)
    if _is_out_of_memory(error):
        return _OUT_OF_RESOURCES, _OUT_OF_MEMORY
    if getattr(error, "errno", None) in _DISK_FULL:
        return _OUT_OF_RESOURCES, f"the disk is full ({error}); free some space"
    name = type(error).__name__
    return RUN_FAILED, f"unexpected {name}: {error} (cpabmm --debug COMMAND shows where)"


def message_of(error: CpabmmError) -> str:
    """The trouble and its cure, phrased for the command line where it has its own way."""
    cure = error.cure if error.remedy is None else _CURES[error.remedy]
    return error.trouble if cure is None else f"{error.trouble}; {cure}"


def _is_out_of_memory(error: Exception) -> bool:
    torch = sys.modules.get("torch")  # an error of torch's own can only come once it is imported
    if isinstance(error, MemoryError) or (torch and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)
