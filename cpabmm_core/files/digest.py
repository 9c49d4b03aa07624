"""SHA-256 digests of files."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

_CHUNK_BYTES = 1 << 20


def file_sha256(path: Path) -> str:
    """Return the SHA-256 digest of a file in hexadecimal.

    Raises:
        OSError: the file cannot be read.
    """
    return files_sha256([path])


def files_sha256(paths: Sequence[Path]) -> str:
    """Return one SHA-256 digest of several files, as ``cat A B | sha256sum`` prints it.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()
