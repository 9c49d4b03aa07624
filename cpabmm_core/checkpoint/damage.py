"""What a file that should be a checkpoint may be instead."""

from pathlib import Path
from typing import Literal

from cpabmm_core.errors import CheckpointError

_HEAD = 64


def check_readable(path: Path) -> None:
    """Check that the file looks like safetensors: a length, then a JSON header.

    Raises:
        CheckpointError: it does not; the message says what it is, where that can be told.
    """
    if weights_kind(path) == "pytorch":
        raise CheckpointError(
            f"{path}: is a PyTorch or zip file, not a checkpoint of cpabmm; make it one with "
            "`cpabmm convert`"
        )


def weights_kind(path: Path) -> Literal["safetensors", "pytorch"]:
    """What the file is by its first bytes.

    Raises:
        CheckpointError: neither, or it cannot be opened; the message says what it is, where that
            can be told.
    """
    if path.is_dir():
        raise CheckpointError(f"{path}: is a folder; give a .safetensors file in it")
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file; check the path") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be opened ({one_line(error)})") from None
    # First, for the length before the brace may look like the beginning of any other kind.
    if head[8:9] == b"{":
        return "safetensors"
    if head.startswith((b"PK", b"\x80")):
        return "pytorch"
    raise CheckpointError(f"{path}: {_trouble(head)}")


def one_line(error: BaseException) -> str:
    """What an error of another library says, on one line and without the file's name."""
    return " ".join(str(getattr(error, "strerror", None) or error).split())


def _trouble(head: bytes) -> str:
    if not head:
        return "is empty; copy or download it again"
    if head.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the file itself; run `git lfs pull`"
    if head.lstrip().startswith(b"<"):
        return "is a web page, not a checkpoint; download the file itself"
    return "is not a safetensors or PyTorch file; give a checkpoint, trained here or published"
