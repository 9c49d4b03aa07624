"""Exclusive use of a folder by one process, with a lock of the operating system."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from cpabmm_core.errors import CpabmmError
from cpabmm_core.files.checks import one_line, write_error


@contextmanager
def exclusive_lock(
    lock_file: Path,
    folder: Path,
    report: Callable[[str], None],
    *,
    busy: CpabmmError | None,
) -> Iterator[None]:
    """Hold a lock while the context lasts; the lock of a killed process ends with the process.

    On a file system without locks the context runs unlocked, and `report` receives a warning.

    Args:
        lock_file: file to lock; it is created if missing and stays. Its folder must exist.
        folder: the folder that the lock protects, for the warning.
        report: receives the warning, one line.
        busy: error to raise if another process holds the lock; None waits for that process.

    Raises:
        CpabmmError: another process holds the lock; the error is `busy`.
        MediaError: the lock file may not be created.
    """
    # The library's substitute for a lock is a file that would outlive a killed process.
    lock = FileLock(lock_file, timeout=-1 if busy is None else 0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        assert busy is not None
        raise busy from None
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise write_error(folder, error) from None
    except (OSError, NotImplementedError) as error:
        report(f"{folder}: cannot be locked ({one_line(error)}); do not start another run there")
    try:
        yield
    finally:
        lock.release()
