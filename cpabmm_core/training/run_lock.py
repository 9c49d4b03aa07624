"""A lock that keeps other runs out of a folder and expires with the process that holds it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from cpabmm_core.device import is_cpu
from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import write_error
from cpabmm_core.files.locks import exclusive_lock
from cpabmm_core.training.reporting import TrainingReporter

LOCK_FILE = "run.lock"
"""Name of the lock file in a run's folder. The file may exist without being locked."""


@contextmanager
def lock_folder(folder: Path, device: str, reporter: TrainingReporter) -> Iterator[None]:
    """Lock a folder for a run.

    All processes of a run call this. The main process holds the lock; if it cannot get it, all of
    them raise. The lock expires when the main process is killed, even if its data workers survive.
    On a file system without locks, the run continues without one after a message.

    Args:
        folder: folder of the run, created if it does not exist. A folder created here is removed
            at the end if it is still empty.
        device: device of the run, which determines how its processes communicate.
        reporter: receives a message about a file system without locks.

    Raises:
        MediaError: another run holds the folder, or it cannot be created.
        ResourceError: the device does not exist.
    """
    state = PartialState(cpu=is_cpu(device))
    with ExitStack() as locks:
        refusal: list[str | None] = [None]
        if state.is_main_process:
            try:
                locks.enter_context(_lock(folder, reporter))
            except MediaError as error:
                refusal = [str(error)]
        broadcast_object_list(refusal)
        if refusal[0] is not None:
            # A process that exits before it leaves the process group may abort.
            state.wait_for_everyone()
            state.destroy_process_group()
            raise MediaError(refusal[0])
        yield


@contextmanager
def _lock(folder: Path, reporter: TrainingReporter) -> Iterator[None]:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from None
    busy = MediaError(
        f"{folder}: another run is writing there; wait until it ends, stop it, or choose a new "
        "folder"
    )
    file = folder / LOCK_FILE
    try:
        with exclusive_lock(file, folder, reporter.message, busy=busy):
            try:
                yield
            finally:
                with suppress(OSError):  # Windows does not delete open files
                    file.unlink(missing_ok=True)
    finally:
        with suppress(OSError):  # folders with content stay
            for path in missing:
                path.rmdir()
