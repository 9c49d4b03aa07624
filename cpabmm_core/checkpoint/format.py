"""The checkpoint format: a .safetensors file with the configuration and a record of the training.

The metadata of the file are ``format`` ("cpabmm"), ``format_version``, ``config`` (JSON of a
`Config`) and ``record`` (JSON, how the weights were made). Tensors are named as in the state dict
of the model and stored in a type that the writer chooses; a loaded model is in float32. Version 2
renamed two networks (`checkpoint.older`); the tensors of version 1 are renamed when read.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cpabmm_core.checkpoint.differences import check_tensors, check_values
from cpabmm_core.checkpoint.older import current_name, upgrade_config
from cpabmm_core.config import Config, config_from_dict
from cpabmm_core.errors import CheckpointError, ConfigError, Remedy
from cpabmm_core.files.tensors import (
    open_safetensors,
    read_safetensors,
    tensor_format,
    write_safetensors,
)
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.build import build_model

_FORMAT = "cpabmm"
_VERSION = 2
# Small variances become zero in half precision, and the normalisation would divide by zero.
_KEPT_IN_FLOAT32 = ("running_mean", "running_var")


class Checkpoint(NamedTuple):
    """A model with everything that its file states about it.

    Example:
        >>> from cpabmm_core.checkpoint import find_checkpoint, open_checkpoint
        >>> checkpoint = open_checkpoint(find_checkpoint("puppets"))
        >>> checkpoint.kind, checkpoint.model.training
        ('cpabmm', False)
    """

    model: AnimationModel
    """The model, on the CPU, in float32 and in eval mode."""
    config: Config
    """The configuration that it was built from."""
    record: dict[str, Any]
    """How the weights were made: steps, seed, losses, or the file they were converted from."""

    @property
    def kind(self) -> str:
        """``cpabmm``, or the layout of the published file that the model was converted from."""
        return str(self.record.get("converted_from", {}).get("kind", "cpabmm"))


class StoredTensor(NamedTuple):
    """Shape and type of a tensor in a file."""

    shape: tuple[int, ...]
    dtype: str
    """Type in the notation of safetensors: F16, F32, I64, ..."""


@dataclass(frozen=True)
class CheckpointHeader:
    """Everything in a checkpoint except the values of its tensors; `read_header` returns one.

    Example:
        >>> from cpabmm_core.checkpoint import find_checkpoint, read_header
        >>> header = read_header(find_checkpoint("puppets"))
        >>> header.config.model.motion, header.config.data.frame_size
        ('cpab', 96)
        >>> sorted({name.partition(".")[0] for name in header.tensors})
        ['background_predictor', 'dense_motion', 'generator', 'keypoint_detector']
    """

    config: Config
    """The configuration of the model."""
    record: dict[str, Any]
    """How the weights were made."""
    tensors: dict[str, StoredTensor]
    """Shapes and types of the tensors, by their current names."""
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
    """Write a checkpoint atomically; an existing file is replaced.

    Equal arguments give equal bytes.

    Args:
        path: the file to write.
        model: the model, without a wrapper such as `DistributedDataParallel`.
        config: the configuration that it was built from.
        record: how the weights were made (steps, seed, losses, ...), in plain JSON values.
        dtype: type to store the weights in, for example ``torch.float16``; None keeps the
            current type. The running statistics of normalisation layers always keep theirs.

    Raises:
        CheckpointError: `record` is not plain JSON, a weight is too large for `dtype`, or the file
            cannot be written.
        ResourceError: the disk is full.

    Example:
        >>> import tempfile
        >>> from cpabmm_core.checkpoint import find_checkpoint, open_checkpoint
        >>> model, config, record = open_checkpoint(find_checkpoint("puppets"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "half.safetensors"
        ...     save_checkpoint(path, model, config, record=record, dtype=torch.float16)
        ...     path.is_file()
        True
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
    """Write a checkpoint from the state dict of a model; see `save_checkpoint`."""
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
    write_safetensors(path, stored, metadata)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a cpabmm checkpoint; the model is on the CPU, in float32 and in eval mode.

    Raises:
        CheckpointError: the file is missing, damaged, or no cpabmm checkpoint.
    """
    path = Path(path)
    header = read_header(path)
    try:
        model = build_model(header.config)
    except ConfigError as error:
        raise CheckpointError(f"{path}: its configuration: {error}") from None
    check_tensors(
        path,
        {name: tensor.shape for name, tensor in header.tensors.items()},
        {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()},
    )
    tensors = {
        current_name(name, header.version): tensor
        for name, tensor in read_safetensors(path).items()
    }
    check_values(path, tensors, model.state_dict())
    model.load_state_dict(tensors)
    return Checkpoint(model.eval(), header.config, header.record)


def has_cpabmm_metadata(path: Path) -> bool:
    """Return whether a safetensors file states that it is a cpabmm checkpoint, and how it is built.

    Raises:
        CheckpointError: the file is damaged.
    """
    with open_safetensors(path) as file:
        metadata = file.metadata() or {}
        return metadata.get("format") == _FORMAT and "config" in metadata


def read_header(path: str | Path) -> CheckpointHeader:
    """Read the configuration, the record and the shapes of a checkpoint, without its weights.

    Raises:
        CheckpointError: the file is missing, damaged, or no cpabmm checkpoint.

    Example:
        >>> from cpabmm_core.checkpoint import find_checkpoint
        >>> read_header(find_checkpoint("puppets")).config.model.motion
        'cpab'
    """
    path = Path(path)
    if tensor_format(path, "a checkpoint of cpabmm") == "pytorch":
        raise CheckpointError(
            f"{path}: is a PyTorch or zip file, not a checkpoint of cpabmm",
            "convert it with cpabmm_core.checkpoint.convert_checkpoint",
            remedy=Remedy.CONVERT,
        )
    with open_safetensors(path) as file:
        metadata = file.metadata() or {}
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        tensors = {
            name: StoredTensor(tuple(piece.get_shape()), piece.get_dtype())
            for name, piece in slices.items()
        }
    version = _read_version(path, metadata)
    tensors = {current_name(name, version): tensor for name, tensor in tensors.items()}
    record = _json_object(path, metadata, "record")
    values = _json_object(path, metadata, "config")
    try:
        config = config_from_dict(upgrade_config(values), f"{path}: its configuration")
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


def _read_version(path: Path, metadata: dict[str, str]) -> int:
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(
            f"{path}: is a safetensors file, but not a checkpoint of cpabmm; give one that a "
            "training run or a conversion wrote"
        )
    version = metadata.get("format_version", "")
    if not version.isdecimal() or int(version) < 1:
        raise _wrong_metadata(path, f"format version {version!r}")
    if int(version) > _VERSION:
        raise CheckpointError(
            f"{path}: has format version {version}, but this cpabmm reads up to {_VERSION}; "
            "install a newer cpabmm"
        )
    return int(version)


def _json_object(path: Path, metadata: dict[str, str], key: str) -> dict[str, Any]:
    try:
        values = json.loads(metadata.get(key, ""))
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise _wrong_metadata(path, f"{key} in its metadata is not JSON")
    return values


def _wrong_metadata(path: Path, trouble: str) -> CheckpointError:
    return CheckpointError(f"{path}: truncated or damaged ({trouble}); copy it again")
