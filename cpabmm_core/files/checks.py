"""Checks of input files, and one-line descriptions of what went wrong with a file."""

import errno
from pathlib import Path

from cpabmm_core.errors import (
    CheckpointError,
    CpabmmError,
    MediaError,
    OutputClosedError,
    ResourceError,
)
from cpabmm_core.files.printable import printable

_HEAD_BYTES = 512
_REASON_CHARACTERS = 200
_LFS_POINTER = b"version https://git-lfs"
_WEB_PAGE = (b"<!doctype html", b"<html", b"<head", b"<body")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MESSAGE_CHARACTERS = 400
_STORAGE_EXHAUSTED = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def require_file(
    path: Path, *, error: type[CpabmmError] = MediaError, expected: str = "a file"
) -> bytes:
    """Check that a path leads to a readable file with content of its own.

    Args:
        path: the file to check.
        error: class of the error to raise.
        expected: what the file should be, for the messages, such as ``an image``.

    Returns:
        The first bytes of the file, at most 512, from which its type can be recognised.

    Raises:
        CpabmmError: the path is missing, a folder or a device, or the file is unreadable, empty, a
            Git LFS pointer or an HTML page. The class is `error`.
    """
    try:
        if path.is_dir():
            raise error(f"{path}: is a folder; give {expected}")
        if path.exists() and not path.is_file():
            raise error(f"{path}: is not a regular file; give {expected}")
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError:
        raise error(f"{path}: no such file; check the path") from None
    except PermissionError:
        raise error(f"{path}: permission denied; check its permissions") from None
    except (OSError, ValueError) as problem:
        raise error(f"{path}: cannot be opened ({one_line(problem)}); check the path") from None
    wrong = describe_wrong_content(head)
    if wrong is not None:
        trouble, cure = wrong
        raise error(f"{path}: {trouble}; {cure}")
    return head


def describe_wrong_content(head: bytes) -> tuple[str, str] | None:
    """Recognise content that commonly replaces a file by mistake.

    Args:
        head: the first bytes of the file.

    Returns:
        The trouble and its cure if the file is empty, a Git LFS pointer or an HTML page, else None.

    Example:
        >>> describe_wrong_content(b"<!DOCTYPE html><html>")
        ('is a web page', 'download the file itself')
    """
    if not head:
        return "is empty", "copy or download it again"
    if head.startswith(_LFS_POINTER):
        return "is a Git LFS pointer, not the file itself", "run `git lfs pull`"
    if head.removeprefix(_BYTE_ORDER_MARK).lstrip().lower().startswith(_WEB_PAGE):
        return "is a web page", "download the file itself"
    return None


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error of the system or of FFmpeg means that storage is exhausted.

    This covers a full disk, an exceeded quota and a file larger than the file system allows.
    """
    return getattr(error, "errno", None) in _STORAGE_EXHAUSTED


def write_error(
    path: Path, error: BaseException, kind: type[CpabmmError] = MediaError
) -> CpabmmError:
    """Return the error to raise for a failed write to `path`.

    Args:
        path: the file or folder that could not be written.
        error: the error of the system or of a library.
        kind: class of the returned error, unless storage is exhausted.

    Returns:
        A `ResourceError` if storage is exhausted, an `OutputClosedError` for a pipe that nobody
        reads, else an error of class `kind`.
    """
    if isinstance(error, BrokenPipeError):
        return OutputClosedError(f"{path}: nobody reads it any more")
    if is_disk_full(error):
        return ResourceError(
            f"{path}: no space left to write it; free some space or write elsewhere"
        )
    return kind(f"{path}: cannot be written ({one_line(error)})")


def damaged_file(path: Path, error: BaseException) -> CheckpointError:
    """Return the error for a file of weights that a library cannot parse."""
    # PyTorch appends several sentences of advice.
    reason = one_line(error).split(". ")[0][:_REASON_CHARACTERS]
    return CheckpointError(f"{path}: truncated or damaged ({reason}); copy or download it again")


def one_line(error: BaseException) -> str:
    """Return the message of a foreign error on one line, without the file name of an `OSError`.

    A message may quote the file. So characters that a terminal would obey appear as escape
    sequences, and the end of a long message is left out.

    Example:
        >>> one_line(FileNotFoundError(2, "No such file or directory", "clip.mp4"))
        'No such file or directory'
        >>> one_line(ValueError("two   spaces"))
        'two spaces'
    """
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    line = " ".join(str(text)[: 4 * _MESSAGE_CHARACTERS].split())
    return printable(line, _MESSAGE_CHARACTERS)
