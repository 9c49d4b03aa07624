"""Locks on files, which processes on one machine or on a shared disk respect."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from cpabmm_core.data.clip_set import StatusCallback
from cpabmm_core.errors import OutputExistsError
from cpabmm_core.files.checks import one_line


@contextmanager
def lock_folder(folder: Path, file: Path, report: StatusCallback) -> Iterator[None]:
    """Keep other runs of the same shard out of a folder. The lock of a killed run expires.

    Args:
        folder: folder that the run writes to.
        file: lock file of the shard, within the folder.
        report: called with one line if the disk does not support locks. The run then continues
            without one.

    Raises:
        OutputExistsError: another run holds the lock.
    """
    # The soft lock of the library is a file that would outlive a killed process.
    lock = FileLock(file, timeout=0, fallback_to_soft=False)
    try:
        _acquire(lock, folder, report)
    except Timeout:
        raise OutputExistsError(
            f"{folder}: another run is writing there; wait until it ends, or give each run its own "
            "shard"
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def wait_for_lock(folder: Path, file: Path, report: StatusCallback) -> Iterator[None]:
    """Wait until no other run holds a lock, then hold it.

    Args:
        folder: folder that the run writes to.
        file: lock file, within the folder.
        report: called with one line if the disk does not support locks. The run then continues
            without one.
    """
    lock = FileLock(file, fallback_to_soft=False)
    _acquire(lock, folder, report)
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: BaseFileLock, folder: Path, report: StatusCallback) -> None:
    try:
        lock.acquire()
    except Timeout:
        raise
    except (OSError, NotImplementedError) as error:
        reason = one_line(error)
        report(f"{folder}: cannot be locked ({reason}); do not start another run there")
