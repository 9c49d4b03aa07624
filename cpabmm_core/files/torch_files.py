"""Files that `torch.save` wrote, read without executing anything in them."""

import argparse
import pickle
import re
import warnings
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor

from cpabmm_core.errors import CheckpointError
from cpabmm_core.files.archives import expanded_size
from cpabmm_core.files.checks import damaged_file
from cpabmm_core.files.foreign_formats import describe_archive

_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
"""The number with which torch.save began a file before it wrote zip archives."""
_MAGIC_END = 32
_SAFETENSORS = ".safetensors"


def read_torch_file(
    path: Path, head: bytes, expected: str, *, may_map: bool = True
) -> dict[Any, Any]:
    """Read the dictionary in a file of PyTorch.

    Args:
        path: the file, a zip archive or a pickle.
        head: its first bytes.
        expected: what the file should hold, for the messages.
        may_map: whether tensors may stay in the file, mapped into memory.

    Returns:
        The dictionary, with tensors on the CPU. Those of the zip format are mapped if allowed.

    Raises:
        CheckpointError: the file is damaged, holds something else, or would execute code.
    """
    is_zip = head.startswith(b"PK")
    mapped = is_zip and _check_archive(path, expected) and may_map
    if not is_zip and _MAGIC not in head[:_MAGIC_END]:
        if len(head) < _MAGIC_END:
            raise damaged_file(path, EOFError(f"it ends after {len(head)} bytes"))
        raise CheckpointError(
            f"{path}: is a Python pickle, but not one that torch.save wrote; give {expected}"
        )
    try:
        values = _load(path, mapped)
    except pickle.UnpicklingError as error:
        raise _refused(path, error) from None
    except Exception as error:  # torch raises many types for a damaged file
        raise damaged_file(path, error) from None
    if isinstance(values, dict):
        return values
    what = "one tensor" if isinstance(values, Tensor) else f"a {type(values).__name__}"
    raise CheckpointError(f"{path}: holds {what}, not tensors by name; give {expected}")


def _refused(path: Path, error: pickle.UnpicklingError) -> CheckpointError:
    wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
    trouble, cure = "holds more than tensors, or is damaged", "get the file from its publisher"
    if wanted:
        trouble = f"would call {wanted[1]}, which no file of weights needs"
        if wanted[1].startswith("torch.nn."):
            cure = "if it is a whole model, save its state_dict"
    return CheckpointError(f"{path}: {trouble}; nothing in it was executed: {cure}")


def _load(path: Path, mapped: bool) -> Any:  # noqa: ANN401  (whatever was saved)
    # Full checkpoints of DINO hold the options of their training run, a plain namespace.
    with warnings.catch_warnings(), torch.serialization.safe_globals([argparse.Namespace]):
        warnings.simplefilter("ignore")
        if mapped and _torch_takes_name(path):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        with path.open("rb") as file:
            return torch.load(file, map_location="cpu", weights_only=True, mmap=False)


def _torch_takes_name(path: Path) -> bool:
    """Return whether torch opens a file of this name as what it is.

    By the suffix .safetensors, torch reads it as such, and it encodes names as UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return not str(path).endswith(_SAFETENSORS)


def _check_archive(path: Path, expected: str) -> bool:
    """Check that a zip archive holds tensors, and return whether they can be mapped into memory."""
    try:
        excessive = expanded_size(str(path))
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except Exception as error:  # zipfile raises many types for a damaged archive
        has_end = _has_end(path)
        raise damaged_file(path, error if has_end else EOFError("its end is missing")) from None
    names = [entry.filename for entry in entries]
    parts = {PurePosixPath(name).name for name in names}
    if any("/code/" in name for name in names) or "constants.pkl" in parts:
        raise CheckpointError(
            f"{path}: is TorchScript, a program that would have to be executed; give a file of "
            "tensors"
        )
    if "data.pkl" not in parts:
        what, cure = describe_archive(names)
        raise CheckpointError(f"{path}: is {what}, not {expected}; {cure}")
    if excessive is not None:
        raise CheckpointError(
            f"{path}: has {path.stat().st_size} bytes and would expand to {excessive}; get it from "
            "its publisher"
        )
    return all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)


def _has_end(path: Path) -> bool:
    """Return whether a zip archive has the directory that its end holds, even a damaged one."""
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:
        return True
