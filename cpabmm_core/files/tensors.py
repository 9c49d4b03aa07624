"""Files of tensors: safetensors and PyTorch files, read without executing anything in them."""

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import safetensors
import safetensors.torch
from torch import Tensor

from cpabmm_core.errors import CheckpointError
from cpabmm_core.files.checks import damaged_file, require_file, write_error
from cpabmm_core.files.foreign_formats import describe_format
from cpabmm_core.files.output import atomic_path
from cpabmm_core.files.torch_files import read_torch_file

_MAX_HEADER = 100_000_000
"""Most bytes of the header of a safetensors file, as in its library."""
_LONGEST_HEADER = 4_000_000
"""Most bytes that are read. They name tens of thousands of tensors; a model has hundreds."""
_WEIGHTS = ("*.safetensors", "*.pth", "*.pt", "*.ckpt", "*.bin", "*.tar")
_NAMED = 3

TensorFormat = Literal["safetensors", "pytorch"]


def tensor_format(path: Path, expected: str = "a file of tensors") -> TensorFormat:
    """Return the format of a file of tensors, recognised by its first bytes.

    Args:
        path: the file.
        expected: what the file should hold, for the messages.

    Raises:
        CheckpointError: the file is missing, unreadable or of another format; the message names
            the actual format if it is recognised.
    """
    return _recognise(path, expected)[0]


def read_tensor_file(
    path: Path, expected: str = "a file of tensors", *, mapped: bool = True
) -> dict[Any, Any]:
    """Read a safetensors or PyTorch file.

    Args:
        path: the file.
        expected: what the file should hold, for the messages.
        mapped: whether tensors may stay in the file, which must not change while they are used.

    Returns:
        The dictionary in the file, on the CPU. A safetensors file holds tensors by name. A PyTorch
        file may hold nested dictionaries, lists and numbers as well; the tensors of its zip format
        are mapped into memory and read when they are used, if `mapped` allows it.

    Raises:
        CheckpointError: the file is missing or damaged, holds something else than a dictionary, or
            reading it would execute code.
    """
    kind, head = _recognise(path, expected)
    if kind == "safetensors":
        return dict(read_safetensors(path))
    return read_torch_file(path, head, expected, may_map=mapped)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file by name.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        with name_as_text(path) as named:
            return dict(safetensors.torch.load_file(named))
    except (OSError, safetensors.SafetensorError) as error:
        raise damaged_file(path, error) from None


@contextmanager
def open_safetensors(path: Path) -> Iterator[Any]:
    """Open a safetensors file with `safetensors.safe_open`.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        with (
            name_as_text(path) as named,
            safetensors.safe_open(named, framework="pt") as file,
        ):
            yield file
    except (OSError, safetensors.SafetensorError) as error:
        raise damaged_file(path, error) from None


@contextmanager
def name_as_text(path: Path) -> Iterator[Path]:
    """Yield a name of a file that can be encoded, which libraries in other languages require.

    On Linux a name may be any bytes. Such a file gets a link for as long as the context lasts.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory() as folder:
            link = Path(folder, "file")
            link.symlink_to(path.absolute())
            yield link
        return
    yield path


def write_safetensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    """Write a safetensors file atomically; an existing file is replaced.

    Equal arguments give equal bytes.

    Raises:
        CheckpointError: the file cannot be written.
        ResourceError: the disk is full.
    """
    with atomic_path(path, force=True, kind=CheckpointError) as temporary:
        try:
            _save(temporary, tensors, metadata)
            _sort_metadata(temporary)
        except OSError as error:
            raise write_error(path, error, CheckpointError) from None


def _recognise(path: Path, expected: str) -> tuple[TensorFormat, bytes]:
    """Return the format and the first bytes of a file."""
    if path.is_dir():
        raise CheckpointError(f"{path}: is a folder{_held_weights(path)}; give {expected}")
    head = require_file(path, error=CheckpointError, expected=expected)
    # A safetensors file is a length of 8 bytes, then JSON. Its length may look like any other
    # signature, so this test comes first. The length of a text is beyond all bounds.
    length = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and (length <= _MAX_HEADER or head.lstrip()[:1] not in b"{["):
        if length > _LONGEST_HEADER:
            raise damaged_file(path, ValueError(f"header too large, with {length} bytes"))
        return "safetensors", head
    if head.startswith((b"PK", b"\x80")):
        return "pytorch", head
    what, cure = describe_format(head)
    cure = cure or f"give {expected}"
    if not what:
        raise CheckpointError(f"{path}: is neither a safetensors nor a PyTorch file; {cure}")
    raise CheckpointError(f"{path}: is {what}, not a file of safetensors or PyTorch; {cure}")


def _held_weights(folder: Path) -> str:
    """Return which files of weights a folder holds, for a message."""
    names = sorted(file.name for pattern in _WEIGHTS for file in folder.glob(pattern))
    return f" that holds {', '.join(names[:_NAMED])}" if names else ""


def _save(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write the file; turn the error of safetensors, which is text only, into an `OSError`."""
    try:
        safetensors.torch.save_file(dict(tensors), path, dict(metadata))
    except safetensors.SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from None


def _sort_metadata(path: Path) -> None:
    """Sort the metadata of a file, which safetensors writes in random order."""
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(size)
        if len(text) == size:  # otherwise all tensors would have to move
            file.seek(8)
            file.write(text)
