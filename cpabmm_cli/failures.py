"""Conversion of errors to one line on stderr and an exit code (docs/reference/exit-codes.md)."""

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
    OutputClosedError,
    Remedy,
    ResourceError,
    TrainingStopped,
)
from cpabmm_core.files.checks import is_disk_full
from cpabmm_core.files.display import show_downloads
from cpabmm_core.media.notices import show_notices

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
    OutputClosedError: 141,  # what a shell shows for a program that SIGPIPE ends
}
CURES = {
    Remedy.OVERWRITE: "choose another name or use --force",
    Remedy.OVERWRITE_OR_SKIP: "use --skip-existing or --force",
    Remedy.RESUME: "continue with --resume auto",
    Remedy.CHOOSE_DEVICE: "use --device auto or cpu",
    Remedy.LIST_CHECKPOINTS: (
        "give one of these, the path of a checkpoint, or a name that `cpabmm checkpoints` lists"
    ),
    Remedy.CONVERT: "convert it with `cpabmm convert`",
    Remedy.GIVE_CONFIG: (
        "give the configuration that it was trained with: `cpabmm convert --config NAME|PATH`"
    ),
    Remedy.TRAIN_AVD: "train one with `cpabmm train --stage avd`, or use --mode relative",
    Remedy.DOWNLOAD: "add them as VIDEO_ID.mp4, or use --download",
    Remedy.WHOLE_VIDEOS: "pip install 'cpabmm[scenes]', or use --scenes none if no video has cuts",
    Remedy.FIT_TRANSFORMATIONS: "give a file that `cpabmm fit-cpab -o` wrote",
    Remedy.CHOOSE_REFERENCE: "use --reference-frame auto, or --mode avd if the model has it",
    Remedy.MIRROR: "use --mirror if they do, else --reference-frame auto",
    Remedy.CHOOSE_POSE: "use --mode avd if the model has it, or another driving video or source",
}
"""Cures of errors of the core, in terms of the command line."""
_OUT_OF_RESOURCES = 5
_OUT_OF_MEMORY = (
    "out of memory; lower --batch-size (when training --set training.batch_size=N), "
    "or use another --device"
)
_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")


def with_exit_code(command: Callable[P, None]) -> Callable[P, None]:
    """Wrap a command so that an error ends it with one line on stderr and an exit code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            with show_downloads(terminal.download_bar), show_notices(terminal.say):
                command(*args, **kwargs)
        except (typer.Exit, typer.BadParameter, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            _report("interrupted", INTERRUPTED)
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if terminal.debug:
                terminal.traceback(error)
            code, message = explain(error)
            if not isinstance(error, OutputClosedError):  # as in `| head`: wanted, and no fault
                _report(message, code)
            raise typer.Exit(code) from None

    return run


def _report(message: str, code: int) -> None:
    if not report_failure(message, code):
        terminal.error(message)


def explain(error: Exception) -> tuple[int, str]:
    """Return the exit code and the one-line message for an error."""
    if isinstance(error, TrainingStopped):
        return _SIGNALLED + error.signal, message_of(error)
    if isinstance(error, CpabmmError):
        codes = [code for kind, code in _CODES.items() if isinstance(error, kind)]
        return (codes or [RUN_FAILED])[0], message_of(error)
    if is_out_of_memory(error):
        return _OUT_OF_RESOURCES, _OUT_OF_MEMORY
    if is_disk_full(error):
        return _OUT_OF_RESOURCES, f"the disk is full ({error}); free some space"
    name = type(error).__name__
    return RUN_FAILED, f"unexpected {name}: {error} (cpabmm --debug COMMAND shows where)"


def message_of(error: CpabmmError) -> str:
    """Return the trouble and the cure, with the command line's own cure if there is one."""
    cure = error.cure if error.remedy is None else CURES[error.remedy]
    return error.trouble if cure is None else f"{error.trouble}; {cure}"


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error means that memory is exhausted, on any device."""
    torch = sys.modules.get("torch")  # torch raises nothing before it is imported
    if isinstance(error, MemoryError) or (torch and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)
