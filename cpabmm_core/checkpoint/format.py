"""The checkpoint format: a .safetensors file with the configuration and a record of the training.

The metadata of the file are ``format`` ("cpabmm"), ``format_version``, ``config`` (JSON of a
`Config`) and ``record`` (JSON, how the weights were made). Tensors are named as in the state dict
of the model and stored in a type that the writer chooses; a loaded model is in float32. Version 2
renamed two networks (`checkpoint.older`); the tensors of version 1 are renamed when read.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cpabmm_core.checkpoint.differences import check_tensors, check_values
from cpabmm_core.checkpoint.filling import expected_tensors, filled_model
from cpabmm_core.checkpoint.header import FORMAT, VERSION, read_header
from cpabmm_core.checkpoint.older import current_name
from cpabmm_core.config import Config
from cpabmm_core.errors import CheckpointError
from cpabmm_core.files.tensors import read_safetensors, write_safetensors
from cpabmm_core.models.animation_model import AnimationModel

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
        origin = self.record.get("converted_from")
        return str(origin.get("kind", "cpabmm")) if isinstance(origin, dict) else "cpabmm"


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
        "format": FORMAT,
        "format_version": str(VERSION),
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
    expected = expected_tensors(path, header.config)
    # The shapes are compared before anything is allocated: a configuration may state any size.
    check_tensors(
        path,
        {name: tensor.shape for name, tensor in header.tensors.items()},
        {name: tuple(tensor.shape) for name, tensor in expected.items()},
    )
    tensors = {
        current_name(name, header.version): tensor
        for name, tensor in read_safetensors(path).items()
    }
    check_values(path, tensors, expected)
    return Checkpoint(filled_model(header.config, tensors), header.config, header.record)


def _to_store(path: Path, name: str, tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    if dtype is None or not tensor.is_floating_point() or name.endswith(_KEPT_IN_FLOAT32):
        return tensor
    stored = tensor.to(dtype)
    if not torch.equal(stored.isfinite(), tensor.isfinite()):
        raise CheckpointError(f"{path}: {name} is too large for {dtype}; store it as float32")
    return stored
