"""Where clips are while they are being written, and whose they are."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from cpabmm_core.data.clip_set import Report
from cpabmm_core.data.preprocess.shard import Shard
from cpabmm_core.errors import OutputExistsError
from cpabmm_core.media.files import one_line, write_error


@contextmanager
def sole_use(folder: Path, shard: Shard, say: Report) -> Iterator[None]:
    """Keep another run of the same shard out; a killed one leaves no lock behind.

    A disk without locks is used without; `say` is told.

    Raises:
        OutputExistsError: another run is there.
    """
    # The library's stand-in for a lock is a file that would outlive a killed process.
    lock = FileLock(folder / f".lock{shard.suffix}", timeout=0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise OutputExistsError(
            f"{folder}: another run is cutting into it; wait for it, or give each run its --shard"
        ) from None
    except (OSError, NotImplementedError) as error:
        reason = one_line(error)
        say(f"{folder}: cannot be locked ({reason}); start no other run there meanwhile")
    try:
        yield
    finally:
        lock.release()


@contextmanager
def folder_of_unfinished(folder: Path, shard: Shard) -> Iterator[Path]:
    """A folder for the clips that are being written, rid of what a killed run left there."""
    path = folder / f".unfinished{shard.suffix}"
    shutil.rmtree(path, ignore_errors=True)
    try:
        for side in ("train", "test"):
            (path / side).mkdir(parents=True)
    except OSError as error:
        raise write_error(path, error) from None
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
