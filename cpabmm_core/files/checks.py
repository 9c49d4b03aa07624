"""Checks of input files that images, videos and clips share."""

import errno
from pathlib import Path

from cpabmm_core.errors import CpabmmError, MediaError, ResourceError

_LFS_POINTER = b"version https://git-lfs"
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def require_file(path: Path) -> None:
    """Check that `path` is a non-empty regular file that may be read and is not a Git LFS pointer.

    Raises:
        MediaError: it is not.
    """
    try:
        if path.is_dir():
            raise MediaError(f"{path}: is a folder; give a file")
        if path.exists() and not path.is_file():
            raise MediaError(f"{path}: is not a regular file; give an image or video file")
        with path.open("rb") as file:
            head = file.read(len(_LFS_POINTER))
    except FileNotFoundError:
        raise MediaError(f"{path}: no such file; check the path") from None
    except PermissionError:
        raise MediaError(f"{path}: may not be read; check its permissions") from None
    except (OSError, ValueError) as error:
        raise MediaError(f"{path}: cannot be opened ({one_line(error)})") from None
    if not head:
        raise MediaError(f"{path}: is empty; fetch or export it again")
    if head == _LFS_POINTER:
        raise MediaError(f"{path}: is a Git LFS pointer, not the file; run `git lfs pull`")


def is_disk_full(error: BaseException) -> bool:
    """Whether an error of the system or of FFmpeg says that nothing more can be stored."""
    return getattr(error, "errno", None) in _NO_ROOM


def write_error(path: Path, error: BaseException) -> CpabmmError:
    """The error of this package that stands for a failed write to `path`."""
    if is_disk_full(error):
        return ResourceError(f"{path}: no space left to write it; free some, or write elsewhere")
    return MediaError(f"{path}: cannot be written ({one_line(error)})")


def one_line(error: BaseException) -> str:
    """What an error of another library says, on one line and without the file's name."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
