"""Files that PyTorch has pickled, read without executing anything of them."""

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cpabmm_core.checkpoint.damage import one_line
from cpabmm_core.errors import CheckpointError

_WRAPPED = "module."
_ENVELOPES = ("state_dict", "model_state_dict", "model")
"""Keys under which some programs put all networks."""


class TorchFile(NamedTuple):
    """What is of use in a file."""

    tensors: dict[str, Tensor]
    """By name, ``network.key`` where the file holds several networks; where they lie in the file
    they are read when they are used."""
    others: list[str]
    """Names of what else there is: optimizers, counters."""


def read_torch_file(path: Path) -> TorchFile:
    """The tensors of a file, those of wrapped networks (``module.``) by their own names.

    Raises:
        CheckpointError: it is damaged, holds no tensors, or has more in it than plain data.
    """
    values = _load(path)
    for envelope in _ENVELOPES:
        if isinstance(values.get(envelope), dict):
            values = values[envelope]
    tensors: dict[str, Tensor] = {}
    others = []
    for name, value in values.items():
        if isinstance(value, Tensor):
            tensors[_own(name)] = value
        elif isinstance(value, dict) and _is_network(value):
            tensors |= {f"{_own(name)}.{_own(key)}": tensor for key, tensor in value.items()}
        elif not isinstance(value, dict) or value:  # an empty one is a network without tensors
            others.append(str(name))
    if not tensors:
        held = ", ".join(others[:4]) or "nothing"
        raise CheckpointError(
            f"{path}: has no networks in it, only {held}; give the file of the trained model"
        )
    return TorchFile(tensors, others)


def _own(name: object) -> str:
    return str(name).removeprefix(_WRAPPED)


def _is_network(values: dict[Any, Any]) -> bool:
    return bool(values) and all(isinstance(value, Tensor) for value in values.values())


def _load(path: Path) -> dict[Any, Any]:
    try:
        values = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
        trouble = "holds more than tensors, or is damaged"
        if wanted:
            trouble = f"would call {wanted[1]}, which no file of weights needs"
        raise CheckpointError(
            f"{path}: {trouble}; nothing of it was executed: get the file from its publisher"
        ) from None
    except Exception as error:  # torch raises many kinds for a damaged file
        reason = one_line(error).split(". ")[0][:200]
        raise CheckpointError(
            f"{path}: truncated or damaged ({reason}); download it again"
        ) from None
    return values if isinstance(values, dict) else {}
