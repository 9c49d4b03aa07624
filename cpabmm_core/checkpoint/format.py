"""The checkpoint format: one .safetensors file with its configuration and a record of its making.

The metadata of the file are ``format`` ("cpabmm"), ``format_version``, ``config`` (JSON of a
`Config`) and ``record`` (JSON, how the weights came to be). Tensors are named as in the state dict
of the model and stored in the type that was asked for; the model's own type is float32. Version 2
renamed two networks (`checkpoint.older`); files of version 1 are read under today's names.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from cpabmm_core.checkpoint.damage import check_readable, one_line
from cpabmm_core.checkpoint.differences import differences
from cpabmm_core.checkpoint.older import current_name, updated
from cpabmm_core.checkpoint.writing import written_atomically
from cpabmm_core.config import Config, config_from_dict
from cpabmm_core.errors import CheckpointError, ConfigError
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.build import build_model

_FORMAT = "cpabmm"
_VERSION = 2
# Small variances vanish in half precision, and then the normalisation divides by nothing.
_KEPT_IN_FLOAT32 = ("running_mean", "running_var")


class Checkpoint(NamedTuple):
    """What `load_checkpoint` returns."""

    model: AnimationModel
    config: Config
    record: dict[str, Any]

    @property
    def kind(self) -> str:
        """``cpabmm`` for a model trained here; else the layout that it was converted from."""
        return str(self.record.get("converted_from", {}).get("kind", "cpabmm"))


class StoredTensor(NamedTuple):
    """A tensor as the file holds it."""

    shape: tuple[int, ...]
    dtype: str
    """In safetensors' words: F16, F32, I64, ..."""


@dataclass(frozen=True)
class CheckpointHeader:
    """Everything about a checkpoint but the weights themselves."""

    config: Config
    record: dict[str, Any]
    tensors: dict[str, StoredTensor]
    """By today's names."""
    version: int
    """Format version of the file."""


def save_checkpoint(
    path: str | Path,
    model: AnimationModel,
    config: Config,
    *,
    record: dict[str, Any],
    dtype: torch.dtype | None = None,
) -> None:
    """Write a checkpoint, whole or not at all; one that is there is replaced.

    Equal arguments give equal bytes.

    Args:
        path: the file to be.
        model: the model, not wrapped.
        config: the configuration that it was built from.
        record: how the weights came to be (steps, seed, losses, ...); plain JSON values.
        dtype: type to store weights in, for example ``torch.float16``; None keeps theirs. Running
            statistics of normalisation layers keep theirs in any case.

    Raises:
        CheckpointError: `record` is not plain JSON, a weight is too large for `dtype`, or the file
            cannot be written.
        ResourceError: the disk is full.
    """
    save_tensors(path, model.state_dict(), config, record=record, dtype=dtype)


def save_tensors(
    path: str | Path,
    tensors: Mapping[str, Tensor],
    config: Config,
    *,
    record: dict[str, Any],
    dtype: torch.dtype | None = None,
) -> None:
    """As `save_checkpoint`, for the state dict of a model that is not there itself."""
    path = Path(path)
    try:
        record_text = json.dumps(record, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: record: expected plain JSON values ({error})") from None
    metadata = {
        "format": _FORMAT,
        "format_version": str(_VERSION),
        "config": config.model_dump_json(),
        "record": record_text,
    }
    stored = {name: _to_store(path, name, tensor, dtype) for name, tensor in tensors.items()}
    with written_atomically(path) as temporary:
        _write(stored, temporary, metadata)
        _sort_metadata(temporary)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint; the model is on the CPU, in float32 and in eval mode.

    Raises:
        CheckpointError: the file is missing, damaged, or of another kind.
    """
    path = Path(path)
    header = read_header(path)
    try:
        model = build_model(header.config)
    except ConfigError as error:
        raise CheckpointError(f"{path}: its configuration: {error}") from None
    _check_tensors(path, header.tensors, model.state_dict())
    try:
        tensors = safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise _damaged(path, one_line(error)) from None
    model.load_state_dict(
        {current_name(name, header.version): tensor for name, tensor in tensors.items()}
    )
    return Checkpoint(model.eval(), header.config, header.record)


def is_checkpoint(path: Path) -> bool:
    """Whether a safetensors file says that it is a checkpoint of ours, of any version.

    Raises:
        CheckpointError: it is damaged.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("format") == _FORMAT
    except (OSError, safetensors.SafetensorError) as error:
        raise _damaged(path, one_line(error)) from None


def read_header(path: str | Path) -> CheckpointHeader:
    """Read what a checkpoint says about itself, without its weights.

    Raises:
        CheckpointError: the file is missing, damaged, or of another kind.
    """
    path = Path(path)
    check_readable(path)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            tensors = {
                name: StoredTensor(tuple(piece.get_shape()), piece.get_dtype())
                for name, piece in slices.items()
            }
    except (OSError, safetensors.SafetensorError) as error:
        raise _damaged(path, one_line(error)) from None
    version = _read_version(path, metadata)
    tensors = {current_name(name, version): tensor for name, tensor in tensors.items()}
    record = _json_object(path, metadata, "record")
    values = _json_object(path, metadata, "config")
    try:
        config = config_from_dict(updated(values), f"{path}: its configuration")
    except ConfigError as error:
        raise CheckpointError(str(error)) from None
    return CheckpointHeader(config, record, tensors, version)


def _to_store(path: Path, name: str, tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    if dtype is None or not tensor.is_floating_point() or name.endswith(_KEPT_IN_FLOAT32):
        return tensor
    stored = tensor.to(dtype)
    if not torch.equal(stored.isfinite(), tensor.isfinite()):
        raise CheckpointError(f"{path}: {name} is too large for {dtype}; store it as float32")
    return stored


def _write(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write the file; raise what the system refuses, which safetensors tells as text alone."""
    try:
        safetensors.torch.save_file(tensors, path, metadata)
    except safetensors.SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from None


def _sort_metadata(path: Path) -> None:
    """Put the metadata of a file in order, which safetensors leaves to chance."""
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(size)
        if len(text) == size:  # as long as safetensors wrote it, or the rest would have to move
            file.seek(8)
            file.write(text)


def _read_version(path: Path, metadata: dict[str, str]) -> int:
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(
            f"{path}: a safetensors file, but not a checkpoint of cpabmm; give one that "
            "`cpabmm train` wrote"
        )
    version = metadata.get("format_version", "")
    if not version.isdecimal() or int(version) < 1:
        raise _damaged(path, f"format version {version!r}")
    if int(version) > _VERSION:
        raise CheckpointError(
            f"{path}: of format version {version}, this cpabmm reads up to {_VERSION}; "
            "install a newer cpabmm"
        )
    return int(version)


def _json_object(path: Path, metadata: dict[str, str], key: str) -> dict[str, Any]:
    try:
        values = json.loads(metadata.get(key, ""))
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise _damaged(path, f"{key} in its metadata is not JSON")
    return values


def _damaged(path: Path, trouble: str) -> CheckpointError:
    return CheckpointError(f"{path}: truncated or damaged ({trouble}); copy it again")


def _check_tensors(path: Path, stored: dict[str, StoredTensor], built: dict[str, Tensor]) -> None:
    problems = differences(
        {name: tensor.shape for name, tensor in stored.items()},
        {name: tuple(tensor.shape) for name, tensor in built.items()},
    )
    if problems:
        raise CheckpointError(
            f"{path}: its tensors do not fit its configuration: {problems}; "
            f"{_likely_cause(sorted(stored.keys() - built.keys()))}"
        )


def _likely_cause(unknown: list[str]) -> str:
    if unknown and all(name.startswith("module.") for name in unknown):
        return "it was saved from a wrapped model: save the model inside"
    return "it was edited, or written by another version of cpabmm: use that one, or train again"
