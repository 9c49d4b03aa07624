"""The file of a driving motion: safetensors with the keypoints of a video over time.

Tensors:
    ``keypoints``: (F, N, 2 or 6) float32, positions (x, y) in [-1, 1] and the rows of the jacobian.
    ``pts``: (F,) int64, presentation times in units of the time base, rising.
    ``durations``: (F,) int64, in the same units.

Metadata:
    ``format``: ``cpabmm-motion``.
    ``format_version``: ``1``.
    ``time_base``: seconds per unit of the times, as a fraction such as ``1/12800``.
    ``frame_rate``: nominal number of frames per second, as a fraction.
    ``model``: SHA-256 digest of the weights of the keypoint detector, in hexadecimal.

Nothing in a file is executed. All of it may be damaged or hostile.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from cpabmm_core.errors import CheckpointError, DataError
from cpabmm_core.files.printable import first_names, printable
from cpabmm_core.files.tensors import open_safetensors, tensor_format, write_safetensors
from cpabmm_core.inference.motion_kind import MOTION_FORMAT

_VERSION = 1
_EXPECTED = "a motion file of cpabmm"
_DTYPES = {"keypoints": "F32", "pts": "I64", "durations": "I64"}
_FRACTION = re.compile(r"([1-9]\d{0,14})/([1-9]\d{0,14})", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SHOWN = 40
_NAMED = 3


class MotionParts(NamedTuple):
    """What a motion file holds."""

    keypoints: Tensor  # (F, N, C) float32
    pts: Tensor  # (F,) int64
    durations: Tensor  # (F,) int64
    time_base: Fraction
    frame_rate: Fraction
    model: str


def write_motion(path: Path, parts: MotionParts) -> None:
    """Write a motion file atomically; an existing file is replaced.

    Equal arguments give equal bytes.

    Raises:
        DataError: the file cannot be written.
        ResourceError: the disk is full.
    """
    metadata = {
        "format": MOTION_FORMAT,
        "format_version": str(_VERSION),
        "time_base": _as_text(parts.time_base),
        "frame_rate": _as_text(parts.frame_rate),
        "model": parts.model,
    }
    tensors = {name: getattr(parts, name).contiguous() for name in _DTYPES}
    with _data_errors():
        write_safetensors(path, tensors, metadata)


def read_motion(path: Path) -> MotionParts:
    """Read a motion file.

    Raises:
        DataError: the file is missing, damaged, or no motion file.
    """
    with _data_errors():
        if tensor_format(path, _EXPECTED) == "pytorch":
            raise DataError(f"{path}: is a PyTorch or zip file; give {_EXPECTED}")
        with open_safetensors(path) as file:
            metadata = file.metadata() or {}
            _check_version(path, metadata)
            _check_tensors(path, file)
            keypoints, pts, durations = (file.get_tensor(name).clone() for name in _DTYPES)
    model = metadata.get("model", "")
    if not _DIGEST.fullmatch(model):
        raise damaged_motion(path, "its model is no SHA-256 digest")
    time_base = _read_fraction(path, metadata, "time_base")
    frame_rate = _read_fraction(path, metadata, "frame_rate")
    return MotionParts(keypoints, pts, durations, time_base, frame_rate, model)


def damaged_motion(path: Path, reason: str) -> DataError:
    """Return the error for a motion file that does not hold what it should."""
    return DataError(f"{path}: truncated or damaged ({reason}); copy or save it again")


@contextmanager
def _data_errors() -> Iterator[None]:
    """Raise what is wrong with a file of tensors as an error of the input."""
    try:
        yield
    except CheckpointError as error:
        raise DataError(str(error)) from None


def _check_version(path: Path, metadata: dict[str, str]) -> None:
    if metadata.get("format") != MOTION_FORMAT:
        kind = "a checkpoint" if "config" in metadata else "a safetensors file without a motion"
        raise DataError(f"{path}: is {kind}; give {_EXPECTED}")
    text = metadata.get("format_version", "")
    if not re.fullmatch(r"[1-9]\d{0,8}", text, re.ASCII):
        raise damaged_motion(path, f"format version {printable(repr(text), _SHOWN)}")
    if int(text) > _VERSION:
        raise DataError(
            f"{path}: has format version {text}, but this cpabmm reads motion files up to "
            f"{_VERSION}; install a newer cpabmm"
        )


def _check_tensors(path: Path, file: Any) -> None:  # noqa: ANN401  (of a library without types)
    """Check the names, types and shapes of the tensors, before anything is read."""
    names = list(file.keys())
    if set(names) != set(_DTYPES):
        raise damaged_motion(path, f"it holds {first_names(sorted(names), _NAMED) or 'nothing'}")
    pieces = {name: file.get_slice(name) for name in _DTYPES}
    frames, *others = pieces["keypoints"].get_shape() or [0]
    expected = {"keypoints": [frames, *others], "pts": [frames], "durations": [frames]}
    for name, piece in pieces.items():
        if piece.get_shape() != expected[name] or piece.get_dtype() != _DTYPES[name]:
            shape = printable(str(piece.get_shape()), _SHOWN)
            raise damaged_motion(path, f"{name} has shape {shape} and type {piece.get_dtype()}")


def _as_text(fraction: Fraction) -> str:
    return f"{fraction.numerator}/{fraction.denominator}"


def _read_fraction(path: Path, metadata: dict[str, str], key: str) -> Fraction:
    text = metadata.get(key, "")
    found = _FRACTION.fullmatch(text)
    if found is None:
        raise damaged_motion(path, f"{key} {printable(json.dumps(text), _SHOWN)}")
    return Fraction(int(found[1]), int(found[2]))
