"""Reading of the tensors of all networks in a checkpoint file, under flat names."""

from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from cpabmm_core.errors import CheckpointError
from cpabmm_core.files.printable import first_names
from cpabmm_core.files.tensors import read_tensor_file

_WRAPPED = "module."
_ENVELOPES = ("state_dict", "model_state_dict", "model")
"""Keys under which some programs store all networks."""
_NAMED_IN_ERRORS = 4


class CheckpointFile(NamedTuple):
    """The content of a checkpoint file."""

    tensors: dict[str, Tensor]
    """Tensors by name, ``network.key`` if the file holds several networks."""
    others: list[str]
    """Names of everything else, such as optimizers and counters."""


def read_checkpoint_file(path: Path) -> CheckpointFile:
    """Read the tensors of a safetensors or PyTorch file.

    The prefix ``module.`` of wrapped networks is removed.

    Raises:
        CheckpointError: the file is missing or damaged, holds no tensors, or reading it would
            execute code.
    """
    values = read_tensor_file(path, "a checkpoint, of cpabmm or published")
    for envelope in _ENVELOPES:
        if isinstance(values.get(envelope), dict):
            values = values[envelope]
    tensors: dict[str, Tensor] = {}
    others = []
    for name, value in values.items():
        if isinstance(value, Tensor):
            tensors[_unwrap(name)] = value
        elif isinstance(value, dict) and _is_network(value):
            network = _unwrap(name)
            tensors |= {f"{network}.{_unwrap(key)}": tensor for key, tensor in value.items()}
        elif not isinstance(value, dict) or value:  # an empty one is a network without tensors
            others.append(_text(name))
    if not tensors:
        held = "nothing"
        if others:
            held = f"no networks, only {first_names(others, _NAMED_IN_ERRORS)}"
        raise CheckpointError(f"{path}: holds {held}; give the file of the trained model")
    return CheckpointFile(tensors, others)


def _unwrap(name: object) -> str:
    return _text(name).removeprefix(_WRAPPED)


def _text(name: object) -> str:
    """Return a key of a dictionary as text. A pickle may use any value as a key."""
    return name if isinstance(name, str) else f"a key of type {type(name).__name__}"


def _is_network(values: dict[Any, Any]) -> bool:
    return bool(values) and all(isinstance(value, Tensor) for value in values.values())
