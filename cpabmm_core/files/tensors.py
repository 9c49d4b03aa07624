"""Files of tensors: safetensors and PyTorch files, read without executing anything in them."""

import argparse
import json
import os
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from cpabmm_core.errors import CheckpointError
from cpabmm_core.files.checks import one_line, require_file, write_error
from cpabmm_core.files.output import atomic_path

_REASON_CHARACTERS = 200

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
    head = require_file(path, error=CheckpointError, expected=expected)
    # A safetensors file is a length of 8 bytes, then JSON. Its length may look like any other
    # signature, so this test comes first.
    if head[8:9] == b"{":
        return "safetensors"
    if head.startswith((b"PK", b"\x80")):
        return "pytorch"
    raise CheckpointError(f"{path}: is neither a safetensors nor a PyTorch file; give {expected}")


def read_tensor_file(path: Path, expected: str = "a file of tensors") -> dict[Any, Any]:
    """Read a safetensors or PyTorch file.

    Args:
        path: the file.
        expected: what the file should hold, for the messages.

    Returns:
        The dictionary in the file, on the CPU. A safetensors file holds tensors by name. A PyTorch
        file may hold nested dictionaries, lists and numbers as well; the tensors of its zip format
        are mapped into memory and read when they are used. A PyTorch file that holds any other
        object gives an empty dictionary.

    Raises:
        CheckpointError: the file is missing or damaged, or reading it would execute code.
    """
    if tensor_format(path, expected) == "safetensors":
        return dict(read_safetensors(path))
    return _read_pickle(path)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file by name.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        return dict(safetensors.torch.load_file(path))
    except (OSError, safetensors.SafetensorError) as error:
        raise damaged_file(path, error) from None


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


def damaged_file(path: Path, error: BaseException) -> CheckpointError:
    """Return the error for a file that a library cannot parse."""
    # PyTorch appends several sentences of advice.
    reason = one_line(error).split(". ")[0][:_REASON_CHARACTERS]
    return CheckpointError(f"{path}: truncated or damaged ({reason}); copy or download it again")


def _read_pickle(path: Path) -> dict[Any, Any]:
    is_zip = zipfile.is_zipfile(path)
    if is_zip and _is_program(path):
        raise CheckpointError(
            f"{path}: is TorchScript, a program that would have to be executed; give a file of "
            "tensors"
        )
    try:
        # Full checkpoints of DINO hold the options of their training run, a plain namespace.
        with torch.serialization.safe_globals([argparse.Namespace]):
            values = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
        trouble = "holds more than tensors, or is damaged"
        if wanted:
            trouble = f"would call {wanted[1]}, which no file of weights needs"
        raise CheckpointError(
            f"{path}: {trouble}; nothing in it was executed: get the file from its publisher"
        ) from None
    except Exception as error:  # torch raises many types for a damaged file
        raise damaged_file(path, error) from None
    return values if isinstance(values, dict) else {}


def _is_program(path: Path) -> bool:
    """Return whether a zip file is a TorchScript archive, which holds source code."""
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


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
