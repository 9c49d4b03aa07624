"""The lock of a run, which processes on one machine or on a shared disk respect."""

from contextlib import AbstractContextManager
from pathlib import Path

from cpabmm_core.errors import OutputExistsError
from cpabmm_core.files.locks import exclusive_lock
from cpabmm_core.progress import StatusCallback


def lock_folder(folder: Path, file: Path, report: StatusCallback) -> AbstractContextManager[None]:
    """Keep other runs of the same shard out of a folder. The lock of a killed run expires.

    Args:
        folder: folder that the run writes to.
        file: lock file of the shard, within the folder.
        report: called with one line if the disk does not support locks. The run then continues
            without one.

    Returns:
        A context that holds the lock. Entering it raises an `OutputExistsError` if another run
        holds the lock.
    """
    busy = OutputExistsError(
        f"{folder}: another run is writing there; wait until it ends, or give each run its own "
        "shard"
    )
    return exclusive_lock(file, folder, report, busy=busy)
