"""First weights from a checkpoint, as far as they fit."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from pathlib import Path

import torch
from torch import nn

from cpabmm_core.checkpoint.convert import open_checkpoint
from cpabmm_core.checkpoint.load import find_checkpoint
from cpabmm_core.errors import CheckpointError
from cpabmm_core.training.widening import widen_dense_motion


def take_weights(model: nn.Module, checkpoint: str | Path, announce: Callable[[str], None]) -> None:
    """Copy what has the same name and shape in the checkpoint, and tell what has not.

    A dense motion network for fewer candidate motions is widened: see `training.widening`.

    Args:
        model: changed in place; what the checkpoint lacks keeps its random weights.
        checkpoint: a bundled model's name, or the path of a checkpoint, ours or one that
            `checkpoint.convert` reads.
        announce: told what was taken, and all that was not, a line for each reason.

    Raises:
        CheckpointError: it cannot be read, or nothing of it fits.
    """
    given = open_checkpoint(find_checkpoint(checkpoint)).model.state_dict()
    wanted = model.state_dict()
    widened = widen_dense_motion(given, wanted)
    given |= widened
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
    if widened:
        names = _by_module(widened, given.keys() - widened.keys())
        announce(f"widened for more candidate motions: {', '.join(names)}")
    for what, names in (
        ("left at random (of another shape there)", [n for n in wanted if n in shared - fits]),
        ("left at random (not there)", [n for n in wanted if n not in given]),
        ("not used (unknown here)", [n for n in given if n not in wanted]),
    ):
        if names:
            announce(f"{what}: {', '.join(_by_module(names, fits))}")


def _by_module(names: Iterable[str], taken: Iterable[str]) -> list[str]:
    """Names, with a module's in place of its tensors' where none of them was taken."""
    partly = {part for name in taken for part in _beginnings(name)}
    counts = Counter(next(p for p in _beginnings(name) if p not in partly) for name in names)
    return [part if count == 1 else f"{part} ({count})" for part, count in counts.items()]


def _beginnings(name: str) -> Iterator[str]:
    """a, a.b, a.b.c of a.b.c."""
    return accumulate(name.split("."), "{}.{}".format)
