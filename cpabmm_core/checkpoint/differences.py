"""Differences between the tensors of a file and those of a model."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor

from cpabmm_core.errors import CheckpointError
from cpabmm_core.files.printable import first_names, printable

_NAMED = 3
_CHARACTERS = 120
_NAME = 80
"""Most characters of a name that only the file gives."""
_MOST_AXES = 8

Shapes = Mapping[str, tuple[int, ...]]


def describe_differences(stored: Shapes, expected: Shapes) -> str | None:
    """Describe which tensors are missing, unknown or of another shape.

    Args:
        stored: shapes of the tensors in the file, by name.
        expected: shapes of the tensors of the model, by name.

    Returns:
        The number of each kind with the first names; None if nothing differs.

    Example:
        >>> describe_differences({"a": (1,), "b": (2, 2)}, {"b": (2, 3)})
        '1 unknown (a); 1 of another shape (b is [2, 2], not [2, 3])'
    """
    differing = [
        f"{name} is {_describe(stored[name])}, not {_describe(expected[name])}"
        for name in sorted(expected.keys() & stored.keys())
        if stored[name] != expected[name]
    ]
    problems = [
        f"{len(names)} {trouble} ({first_names(names, _NAMED, _CHARACTERS)})"
        for trouble, names in (
            ("missing", sorted(expected.keys() - stored.keys())),
            (
                "unknown",
                [printable(name, _NAME) for name in sorted(stored.keys() - expected.keys())],
            ),
            ("of another shape", differing),
        )
        if names
    ]
    return "; ".join(problems) or None


def _describe(shape: tuple[int, ...]) -> str:
    return str(list(shape)) if len(shape) <= _MOST_AXES else f"of {len(shape)} axes"


def check_tensors(path: Path, stored: Shapes, expected: Shapes) -> None:
    """Check that the tensors of a cpabmm checkpoint match its configuration.

    Args:
        path: the file, for the message.
        stored: shapes of the tensors in the file, by name.
        expected: shapes of the tensors of the configured model, by name.

    Raises:
        CheckpointError: they differ; the message names the first differences and a likely cause.
    """
    problems = describe_differences(stored, expected)
    if problems:
        raise CheckpointError(
            f"{path}: its tensors do not match its configuration: {problems}; "
            f"{_likely_cause(stored.keys() - expected.keys())}"
        )


def check_values(
    path: Path,
    stored: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    names: Mapping[str, str] | None = None,
) -> None:
    """Check that tensors hold finite numbers of the expected kind, in any precision.

    Args:
        path: the file, for the message.
        stored: the tensors in the file, by their names in the model.
        expected: the tensors of the model, by the same names.
        names: the names in the file where they differ, for the message.

    Raises:
        CheckpointError: weights are stored as integers, or are not finite.
    """
    for name, tensor in stored.items():
        theirs = (names or {}).get(name, name)
        if expected[name].is_floating_point() and not tensor.is_floating_point():
            kind = str(tensor.dtype).removeprefix("torch.")
            raise CheckpointError(
                f"{path}: stores {theirs} as {kind}, so another tool has quantised its weights; "
                "give the file from before that"
            )
        # Numbers of 8 bits lack this test.
        values = tensor.float() if tensor.itemsize == 1 else tensor
        if not values.isfinite().all():
            raise CheckpointError(
                f"{path}: {theirs} is not finite (NaN or infinity), as after a training run that "
                "diverged; give an earlier checkpoint, or download it again"
            )


def _likely_cause(unknown: Iterable[str]) -> str:
    names = list(unknown)
    if names and all(name.startswith("module.") for name in names):
        return "it was saved from a wrapped model: save the inner model"
    return (
        "it was edited, or written by another version of cpabmm: use that version, or train again"
    )
