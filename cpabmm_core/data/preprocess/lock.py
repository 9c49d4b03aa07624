"""Sole use of a folder that several runs might write into."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from cpabmm_core.data.clip_set import StatusCallback
from cpabmm_core.errors import OutputExistsError
from cpabmm_core.files.checks import one_line


@contextmanager
def lock_folder(folder: Path, file: Path, report: StatusCallback) -> Iterator[None]:
    """Keep another run of the same shard out of a folder; a killed one leaves no lock behind.

    A disk without locks is used without; `report` is told.

    Args:
        folder: what is written into.
        file: the shard's lock, in that folder or below.
        report: is told in one line.

    Raises:
        OutputExistsError: another run is there.
    """
    # The library's stand-in for a lock is a file that would outlive a killed process.
    lock = FileLock(file, timeout=0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise OutputExistsError(
            f"{folder}: another run is writing there; wait for its end, or give each run a shard "
            "of its own"
        ) from None
    except (OSError, NotImplementedError) as error:
        reason = one_line(error)
        report(f"{folder}: cannot be locked ({reason}); start no other run there meanwhile")
    try:
        yield
    finally:
        lock.release()
