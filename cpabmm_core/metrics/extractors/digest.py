"""Which weights a figure was measured with, told by one hash."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

_READ_AT_ONCE = 1 << 20


def weights_sha256(paths: Sequence[Path]) -> str:
    """SHA-256 of the files, one after another, as ``cat A B | sha256sum`` prints it."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while part := file.read(_READ_AT_ONCE):
                digest.update(part)
    return digest.hexdigest()
