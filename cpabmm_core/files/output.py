"""Outputs that are there whole or not at all: written under a temporary name, then renamed."""

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cpabmm_core.errors import CpabmmError, MediaError, OutputExistsError, Remedy
from cpabmm_core.files.checks import is_disk_full, write_error


def check_output(path: str | Path, *, force: bool, inputs: Sequence[str | Path] = ()) -> None:
    """Check, before any work, that a file can be written.

    Args:
        path: the file to be.
        force: whether a file that is there may be replaced.
        inputs: files that are read meanwhile and must not be replaced.

    Raises:
        OutputExistsError: it exists and `force` is not set.
        MediaError: its folder is missing or read-only, it is no regular file, or it is an input.
    """
    path = Path(path)
    _check_parent(path)
    for source in inputs:
        if path.exists() and Path(source).exists() and path.samefile(source):
            raise MediaError(f"{path}: is also an input; choose another name for the output")
    if path.is_dir():
        raise MediaError(f"{path}: is a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise MediaError(f"{path}: is not a regular file; choose another name")
    if path.exists() and not force:
        raise OutputExistsError(
            f"{path}: already exists",
            "choose another name or pass force=True",
            remedy=Remedy.OVERWRITE,
        )


@contextmanager
def atomic_path(
    path: str | Path, *, force: bool, inputs: Sequence[str | Path] = ()
) -> Iterator[Path]:
    """A temporary path to write to, renamed to `path` at the end and removed on any exception.

    The temporary file lies in the same folder (that of the target, where `path` is a link), is
    hidden, and has the same suffix. Arguments and errors are those of `check_output`.

    Raises:
        ResourceError: the disk is full.
    """
    path = Path(path)
    check_output(path, force=force, inputs=inputs)
    target = path.resolve()
    temporary = _temporary(target)
    try:
        yield temporary
        if not temporary.exists():
            raise MediaError(f"{path}: nothing was written to it")
        _sync(temporary)
        if not force and target.exists():
            raise OutputExistsError(f"{path}: appeared meanwhile; choose another name")
        temporary.replace(target)
    except BaseException as error:
        _remove(temporary)
        _raise_in_users_terms(error, temporary, path)
        raise


def check_output_folder(
    path: str | Path, *, force: bool, inputs: Sequence[str | Path] = ()
) -> None:
    """Check, before any work, that a folder can be written; an empty one may be there.

    Args:
        path: the folder to be.
        force: whether a folder that holds something may be written into.
        inputs: files and folders that are read meanwhile and must not be replaced.

    Raises:
        OutputExistsError: it holds something and `force` is not set.
        MediaError: its parent is missing or read-only, it is a file, or it is an input.
    """
    path = Path(path)
    _check_parent(path)
    if path.exists() and not path.is_dir():
        raise MediaError(f"{path}: is a file; name a folder")
    for source in inputs:
        if path.exists() and Path(source).exists() and path.samefile(source):
            raise MediaError(f"{path}: is also an input; choose another folder for the output")
    if path.is_dir():
        _check_writable(path)
        if not force and any(path.iterdir()):
            raise OutputExistsError(
                f"{path}: is not empty",
                "choose another folder or pass force=True",
                remedy=Remedy.OVERWRITE,
            )


@contextmanager
def atomic_folder(
    path: str | Path, *, force: bool, inputs: Sequence[str | Path] = ()
) -> Iterator[Path]:
    """A temporary folder to write into, renamed to `path` at the end, removed on any exception.

    Where `path` is a folder already, what was written moves into it entry by entry and replaces
    entries of the same name; everything else in it stays, so that no slip of the hand with
    ``--force`` deletes a folder. Arguments and errors are those of `check_output_folder`.

    Raises:
        ResourceError: the disk is full.
    """
    path = Path(path)
    check_output_folder(path, force=force, inputs=inputs)
    target = path.resolve()
    temporary = _temporary(target)
    try:
        temporary.mkdir()
        yield temporary
        if target.is_dir():
            for entry in sorted(temporary.iterdir()):
                _remove(target / entry.name)
                entry.replace(target / entry.name)
            temporary.rmdir()
        else:
            temporary.replace(target)
    except BaseException as error:
        _remove(temporary)
        _raise_in_users_terms(error, temporary, path)
        raise


def _raise_in_users_terms(error: BaseException, temporary: Path, path: Path) -> None:
    """Raise what stands for `error` without the name of the temporary file; others pass."""
    if is_disk_full(error):
        raise write_error(path, error) from error
    if isinstance(error, CpabmmError) and str(temporary) in str(error):
        trouble = error.trouble.replace(str(temporary), str(path))
        raise type(error)(trouble, error.cure, remedy=error.remedy) from error


def _check_parent(path: Path) -> None:
    parent = path.absolute().parent
    try:
        found = parent.is_dir()
        path.exists()
    except OSError as error:
        raise write_error(path, error) from None
    if not found:
        raise MediaError(f"{path}: the folder {parent} does not exist; create it first")
    _check_writable(parent)


def _check_writable(folder: Path) -> None:
    effective = os.access in os.supports_effective_ids
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=effective):
        raise MediaError(f"{folder}: the folder is not writable; choose another one")


def _temporary(target: Path) -> Path:
    return target.with_name(f".{secrets.token_hex(8)}.tmp{target.suffix}")


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
