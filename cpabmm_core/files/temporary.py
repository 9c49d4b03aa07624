"""Temporary files and folders in the folder of their target."""

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from cpabmm_core.errors import CpabmmError
from cpabmm_core.files.checks import is_disk_full, write_error


def temporary_path(target: Path) -> Path:
    """Return a new hidden path in the folder of a target, with its suffix."""
    return target.with_name(f".{secrets.token_hex(8)}.tmp{target.suffix}")


def default_mode(temporary: Path, path: Path, kind: type[CpabmmError]) -> int:
    """Return the permissions of an ordinary new file; some libraries create private ones.

    Args:
        temporary: a path without a file, in the folder of the target.
        path: the target as the caller named it, for errors.
        kind: class of the error for a path that cannot be written.
    """
    try:
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode
        temporary.unlink()
    except OSError as error:
        raise write_error(path, error, kind) from None
    return mode


def move_into_place(
    temporary: Path, target: Path, mode: int, path: Path, kind: type[CpabmmError]
) -> None:
    """Store a finished temporary file on the disk under the name of its target.

    Args:
        temporary: the temporary file.
        target: the path to rename it to.
        mode: permissions of the file.
        path: the target as the caller named it, for errors.
        kind: class of the error for a path that cannot be written.
    """
    try:
        temporary.chmod(mode)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise write_error(path, error, kind) from None


def remove(path: Path) -> None:
    """Delete a file, a link or a whole folder; errors of the system are ignored."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def raise_for_target(error: BaseException, temporary: Path, path: Path) -> None:
    """Raise a disk-full error, or an error that names the temporary path, for `path` instead."""
    if is_disk_full(error):
        raise write_error(path, error) from error
    if isinstance(error, CpabmmError) and str(temporary) in str(error):
        trouble = error.trouble.replace(str(temporary), str(path))
        raise type(error)(trouble, error.cure, remedy=error.remedy) from error
