"""First weights from a checkpoint, as far as they fit."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor, nn

from cpabmm_core.checkpoint.bundled import find_checkpoint
from cpabmm_core.checkpoint.damage import weights_kind
from cpabmm_core.checkpoint.format import load_checkpoint
from cpabmm_core.checkpoint.published import read_published
from cpabmm_core.errors import CheckpointError


def take_weights(model: nn.Module, checkpoint: str | Path, announce: Callable[[str], None]) -> None:
    """Copy what has the same name and shape in the checkpoint, and tell what has not.

    Args:
        model: changed in place; what the checkpoint lacks keeps its random weights.
        checkpoint: a bundled model's name, or the path of a checkpoint or of a published TPSMM
            model.
        announce: told what was taken, and all that was not, a line for each reason.

    Raises:
        CheckpointError: it cannot be read, or nothing of it fits.
    """
    given, wanted = _read(find_checkpoint(checkpoint)), model.state_dict()
    shared = given.keys() & wanted.keys()
    fits = {name for name in shared if given[name].shape == wanted[name].shape}
    # Short vectors, the bias of three colours for one, fit by chance.
    if not any(given[name].ndim > 1 for name in fits):
        raise CheckpointError(
            f"{checkpoint}: nothing in it fits this model; choose the configuration it was "
            "trained with, or another checkpoint"
        )
    with torch.no_grad():
        for name in fits:
            wanted[name].copy_(given[name])
    announce(f"{checkpoint}: took {len(fits)} of {len(wanted)} tensors")
    for what, names in (
        ("left at random (of another shape there)", [n for n in wanted if n in shared - fits]),
        ("left at random (not there)", [n for n in wanted if n not in given]),
        ("not used (unknown here)", [n for n in given if n not in wanted]),
    ):
        if names:
            announce(f"{what}: {', '.join(_by_module(names, fits))}")


def _read(path: Path) -> dict[str, Tensor]:
    if weights_kind(path) == "pytorch":
        return read_published(path)
    return load_checkpoint(path).model.state_dict()


def _by_module(names: Iterable[str], taken: Iterable[str]) -> list[str]:
    """Names, with a module's in place of its tensors' where none of them was taken."""
    partly = {part for name in taken for part in _beginnings(name)}
    counts = Counter(next(p for p in _beginnings(name) if p not in partly) for name in names)
    return [part if count == 1 else f"{part} ({count})" for part, count in counts.items()]


def _beginnings(name: str) -> Iterator[str]:
    """a, a.b, a.b.c of a.b.c."""
    return accumulate(name.split("."), "{}.{}".format)
