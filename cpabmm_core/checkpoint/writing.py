"""Files that are there whole or not at all."""

import errno
import os
import secrets
from pathlib import Path

from cpabmm_core.errors import CheckpointError, ResourceError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file under a temporary name beside the target, then rename it.

    Raises:
        CheckpointError: it cannot be written.
        ResourceError: the disk is full.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise ResourceError(f"{path}: no space left to write it; free some") from None
        raise CheckpointError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        temporary.unlink(missing_ok=True)
