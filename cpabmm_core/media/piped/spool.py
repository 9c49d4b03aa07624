"""Storing what comes through a pipe, for formats that cannot be read in one pass."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cpabmm_core.errors import MediaError, ResourceError
from cpabmm_core.files.checks import is_disk_full, one_line
from cpabmm_core.media.piped.byte_pipe import BytePipe

LARGEST = 64 * 2**30
"""Bytes of a temporary file."""
_CHUNK = 1 << 20


@contextmanager
def spooled(pipe: BytePipe, largest: int = LARGEST) -> Iterator[Path]:
    """Store the rest of a pipe in a temporary file of the system, which is deleted at the end.

    Args:
        pipe: the pipe, read to its end and closed.
        largest: the largest number of bytes that are stored.

    Yields:
        The file.

    Raises:
        MediaError: the content is larger, or the pipe cannot be read.
        ResourceError: the disk is full.
    """
    with tempfile.TemporaryDirectory(prefix="cpabmm-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "input"
        with pipe:
            _store(pipe, path, largest)
        pipe.raise_interrupt()
        yield path


def _store(pipe: BytePipe, path: Path, largest: int) -> None:
    try:
        count = _copy(pipe, path, largest)
    except OSError as error:
        if is_disk_full(error):
            raise ResourceError(
                f"{path.parent}: no space left to store {pipe.name}",
                "free some space there, or give a file",
            ) from None
        raise MediaError(
            f"{pipe.name}: cannot be read ({one_line(error)})", "check the program that writes it"
        ) from None
    if count > largest:
        raise MediaError(f"{pipe.name}: is larger than {largest >> 20:,} MB", "give a file")


def _copy(pipe: BytePipe, path: Path, largest: int) -> int:
    """Write the rest of a pipe, or a little more than `largest` bytes; return their number."""
    count = 0
    with path.open("wb") as file:
        while count <= largest and (data := pipe.read(_CHUNK)):
            count += file.write(data)
    return count
