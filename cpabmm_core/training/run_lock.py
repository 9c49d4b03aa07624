"""One run at a time in a folder, by a lock of the operating system that ends with its process."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from filelock import FileLock, Timeout

from cpabmm_core.errors import MediaError
from cpabmm_core.training.reporting import TrainingReporter

LOCK_FILE = "run.lock"
"""In the folder of a run; what counts is the lock on it, not that it is there."""


@contextmanager
def sole_run(folder: Path, device: str, reporter: TrainingReporter) -> Iterator[None]:
    """Keep other runs out of a folder, which is made if missing, for as long as the context lasts.

    All processes of a run call this; the main one holds the lock, and if it is refused, all are.
    A process that is killed leaves no lock behind, and its data workers keep none. Where the file
    system has no locks the run goes on without one, with a message.

    Args:
        folder: of the run. If it was made here and nothing was written into it, it goes again.
        device: of the run, for the first contact of its processes.
        reporter: told of a file system without locks.

    Raises:
        MediaError: another run holds the folder, or it cannot be made.
    """
    state = PartialState(cpu=device == "cpu")
    with ExitStack() as held:
        refusal: list[str | None] = [None]
        if state.is_main_process:
            try:
                held.enter_context(_locked(folder, reporter))
            except MediaError as error:
                refusal = [str(error)]
        broadcast_object_list(refusal)
        if refusal[0] is not None:
            # As at the end of a run: a process that exits while the group is open may abort.
            state.wait_for_everyone()
            state.destroy_process_group()
            raise MediaError(refusal[0])
        yield


@contextmanager
def _locked(folder: Path, reporter: TrainingReporter) -> Iterator[None]:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    # The library's stand-in for a lock is a file that would outlive a killed process.
    lock = FileLock(folder / LOCK_FILE, timeout=0, fallback_to_soft=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise MediaError(f"{folder}: cannot write there ({error.strerror})") from None
    except Timeout:
        raise MediaError(
            f"{folder}: another run is writing there; wait for its end, stop it, or give a new "
            "folder"
        ) from None
    except OSError as error:
        reporter.message(
            f"{folder}: cannot be locked ({error.strerror}); start no other run there meanwhile"
        )
    try:
        yield
    finally:
        with suppress(OSError):  # Windows keeps a file that is open
            (folder / LOCK_FILE).unlink(missing_ok=True)
        lock.release()
        with suppress(OSError):  # what holds something stays
            for path in missing:
                path.rmdir()
