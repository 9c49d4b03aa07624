"""Files that are there whole or not at all."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cpabmm_core.errors import CheckpointError, ResourceError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """An empty temporary file beside the target to write to, renamed at the end.

    Raises:
        CheckpointError: it cannot be written.
        ResourceError: the disk is full.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)  # some libraries write files that nobody else may read
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise ResourceError(f"{path}: no space left to write it; free some") from None
        raise CheckpointError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, then rename it; errors as in `written_atomically`."""
    with written_atomically(path) as temporary, temporary.open("wb") as file:
        file.write(data)
