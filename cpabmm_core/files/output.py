"""Atomic output: files and folders that appear complete or not at all.

Output is written under a temporary name in the target's folder and renamed at the end.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cpabmm_core.errors import CpabmmError, MediaError, OutputExistsError, Remedy
from cpabmm_core.files.checks import write_error
from cpabmm_core.files.temporary import (
    default_mode,
    move_into_place,
    raise_for_target,
    remove,
    temporary_path,
)


def check_output(
    path: str | Path,
    *,
    force: bool,
    inputs: Sequence[str | Path] = (),
    kind: type[CpabmmError] = MediaError,
) -> None:
    """Check that a file can be written, before any work is done.

    Args:
        path: the file to write.
        force: whether an existing file may be replaced.
        inputs: files that the same task reads, which must not be replaced.
        kind: class of the error for a path that cannot be written.

    Raises:
        OutputExistsError: the file exists and `force` is False.
        CpabmmError: its folder is missing or read-only, the path is no regular file, or it is also
            an input. The class is `kind`.
    """
    path = Path(path)
    _check_parent(path, kind)
    if _is_among(path, inputs):
        raise kind(f"{path}: is also an input; choose another name for the output")
    if path.is_dir():
        raise kind(f"{path}: is a folder; give the name of a file in it")
    if path.exists() and not path.is_file():
        raise kind(f"{path}: is not a regular file; choose another name")
    if path.exists() and not force:
        raise OutputExistsError(
            f"{path}: already exists",
            "choose another name or pass force=True",
            remedy=Remedy.OVERWRITE,
        )


@contextmanager
def atomic_path(
    path: str | Path,
    *,
    force: bool,
    inputs: Sequence[str | Path] = (),
    kind: type[CpabmmError] = MediaError,
) -> Iterator[Path]:
    """Provide a temporary path to write to, and rename it to `path` at the end.

    Any exception removes the temporary file and leaves an existing file untouched. The temporary
    file is hidden, has the suffix of the target and lies in the same folder; if `path` is a
    symbolic link, that is the folder of the link's target.

    Args:
        path: the file to write.
        force: whether an existing file may be replaced.
        inputs: files that the same task reads, which must not be replaced.
        kind: class of the error for a path that cannot be written.

    Yields:
        The temporary path. No file exists there yet.

    Raises:
        OutputExistsError: the file exists and `force` is False.
        CpabmmError: the file cannot be written. The class is `kind`.
        ResourceError: the disk is full.
    """
    path = Path(path)
    check_output(path, force=force, inputs=inputs, kind=kind)
    target = path.resolve()
    temporary = temporary_path(target)
    try:
        mode = default_mode(temporary, path, kind)
        yield temporary
        if not temporary.exists():
            raise kind(f"{path}: nothing was written to it")
        if not force and target.exists():
            raise OutputExistsError(
                f"{path}: another process has created it meanwhile; choose another name"
            )
        move_into_place(temporary, target, mode, path, kind)
    except BaseException as error:
        remove(temporary)
        raise_for_target(error, temporary, path)
        raise


def write_atomically(
    path: str | Path, data: bytes, *, kind: type[CpabmmError] = MediaError
) -> None:
    """Write bytes to a file that appears complete or not at all; an existing file is replaced.

    Args:
        path: the file to write.
        data: its content.
        kind: class of the error for a path that cannot be written.

    Raises:
        CpabmmError: the file cannot be written. The class is `kind`.
        ResourceError: the disk is full.
    """
    with atomic_path(path, force=True, kind=kind) as temporary:
        try:
            temporary.write_bytes(data)
        except OSError as error:
            raise write_error(Path(path), error, kind) from None


def check_output_folder(
    path: str | Path, *, force: bool, inputs: Sequence[str | Path] = ()
) -> None:
    """Check that a folder can be written, before any work is done; an empty one may exist.

    Args:
        path: the folder to write.
        force: whether to write into a folder that is not empty.
        inputs: files and folders that the same task reads, which must not be replaced.

    Raises:
        OutputExistsError: the folder is not empty and `force` is False.
        MediaError: its parent is missing or read-only, the path is a file, or it is also an input.
    """
    path = Path(path)
    _check_parent(path, MediaError)
    if path.exists() and not path.is_dir():
        raise MediaError(f"{path}: is a file; give the name of a folder")
    if _is_among(path, inputs):
        raise MediaError(f"{path}: is also an input; choose another folder for the output")
    if path.is_dir():
        _check_writable(path, MediaError)
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
    """Provide a temporary folder to write into, and rename it to `path` at the end.

    Any exception removes the temporary folder. If `path` is an existing folder, the new entries
    move into it one by one and replace entries of the same name. All other entries stay, so an
    accidental ``force=True`` never deletes a whole folder.

    Args:
        path: the folder to write.
        force: whether to write into a folder that is not empty.
        inputs: files and folders that the same task reads, which must not be replaced.

    Yields:
        The temporary folder, which exists and is empty.

    Raises:
        OutputExistsError: the folder is not empty and `force` is False.
        MediaError: the folder cannot be written.
        ResourceError: the disk is full.
    """
    path = Path(path)
    check_output_folder(path, force=force, inputs=inputs)
    target = path.resolve()
    temporary = temporary_path(target)
    try:
        temporary.mkdir()
        yield temporary
        if target.is_dir():
            for entry in sorted(temporary.iterdir()):
                remove(target / entry.name)
                entry.replace(target / entry.name)
            temporary.rmdir()
        else:
            temporary.replace(target)
    except BaseException as error:
        remove(temporary)
        raise_for_target(error, temporary, path)
        raise


def _is_among(path: Path, inputs: Sequence[str | Path]) -> bool:
    return path.exists() and any(
        Path(source).exists() and path.samefile(source) for source in inputs
    )


def _check_parent(path: Path, kind: type[CpabmmError]) -> None:
    parent = path.absolute().parent
    try:
        found = parent.is_dir()
        path.exists()
    except OSError as error:
        raise write_error(path, error, kind) from None
    if not found:
        raise kind(f"{path}: the folder {parent} does not exist; create it first")
    _check_writable(parent, kind)


def _check_writable(folder: Path, kind: type[CpabmmError]) -> None:
    effective = os.access in os.supports_effective_ids
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=effective):
        raise kind(f"{folder}: the folder is not writable; choose another one")
