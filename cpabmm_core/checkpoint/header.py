"""The header of a checkpoint: the configuration, the record and the shapes of the tensors.

All of it is data of a file that may be damaged or hostile. Nothing here builds a model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from cpabmm_core.checkpoint.older import current_name, upgrade_config
from cpabmm_core.config import Config, config_from_dict
from cpabmm_core.errors import CheckpointError, ConfigError, Remedy
from cpabmm_core.files.json_text import read_json
from cpabmm_core.files.printable import printable
from cpabmm_core.files.tensors import open_safetensors, tensor_format

FORMAT = "cpabmm"
VERSION = 2
"""The format version that is written, and the latest that can be read."""
_MOST_DIGITS = 9
_MOST_LEVELS = 50
"""Most levels of nested JSON. A configuration has four; a record has as many as there are runs
that built on each other, and a few."""
_SHOWN = 40


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
        ('cpab', 128)
        >>> sorted({name.partition(".")[0] for name in header.tensors})
        ['avd', 'dense_motion', 'generator', 'keypoint_detector']
    """

    config: Config
    """The configuration of the model."""
    record: dict[str, Any]
    """How the weights were made."""
    tensors: dict[str, StoredTensor]
    """Shapes and types of the tensors, by their current names."""
    version: int
    """Format version of the file."""


def has_cpabmm_metadata(path: Path) -> bool:
    """Return whether a safetensors file states that it is a cpabmm checkpoint, and how it is built.

    Raises:
        CheckpointError: the file is damaged.
    """
    with open_safetensors(path) as file:
        metadata = file.metadata() or {}
        return metadata.get("format") == FORMAT and "config" in metadata


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


def _read_version(path: Path, metadata: Mapping[str, str]) -> int:
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: is a safetensors file, but not a checkpoint of cpabmm; give one that a "
            "training run or a conversion wrote"
        )
    text = metadata.get("format_version", "")
    digits = text if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else "0"
    version = int(digits)
    if version < 1:
        raise _wrong_metadata(path, f"format version {printable(repr(text), _SHOWN)}")
    if version > VERSION:
        raise CheckpointError(
            f"{path}: has format version {version}, but this cpabmm reads up to {VERSION}; "
            "install a newer cpabmm"
        )
    return version


def _json_object(path: Path, metadata: Mapping[str, str], key: str) -> dict[str, Any]:
    try:
        values = read_json(metadata.get(key, ""))
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise _wrong_metadata(path, f"{key} in its metadata is not JSON")
    if _is_deeper(values, _MOST_LEVELS):
        raise _wrong_metadata(path, f"{key} in its metadata is nested too deeply")
    return values


def _is_deeper(values: dict[str, Any], levels: int) -> bool:
    """Return whether JSON has more than the given levels of lists and objects."""
    found: list[Any] = [values]
    for _ in range(levels):
        found = [
            child
            for each in found
            for child in (each.values() if isinstance(each, dict) else each)
            if isinstance(child, dict | list)
        ]
    return bool(found)


def _wrong_metadata(path: Path, trouble: str) -> CheckpointError:
    return CheckpointError(f"{path}: truncated or damaged ({trouble}); copy it again")
