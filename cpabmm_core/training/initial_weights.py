"""Initialising a model from a checkpoint, where names and shapes match."""

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


def initialise_weights(
    model: nn.Module, checkpoint: str | Path, announce: Callable[[str], None]
) -> None:
    """Copy the tensors that have the same name and shape in the checkpoint; list all others.

    A dense motion network for fewer candidate motions is widened (`training.widening`).

    Args:
        model: model to change in place. Tensors without a match keep their random values.
        checkpoint: name of a bundled model, or path of a checkpoint in our format or in one that
            `checkpoint.convert` reads.
        announce: receives a line about the copied tensors, and one for each group of others.

    Raises:
        CheckpointError: the checkpoint cannot be read, or no tensor matches.
    """
    given = open_checkpoint(find_checkpoint(checkpoint)).model.state_dict()
    wanted = model.state_dict()
    widened = widen_dense_motion(given, wanted)
    given |= widened
    shared = given.keys() & wanted.keys()
    matches = {name for name in shared if given[name].shape == wanted[name].shape}
    # Vectors do not count: a bias with three channels can match by chance.
    if not any(given[name].ndim > 1 for name in matches):
        raise CheckpointError(
            f"{checkpoint}: no tensor matches this model; use the configuration of its training, "
            "or another checkpoint"
        )
    with torch.no_grad():
        for name in matches:
            wanted[name].copy_(given[name])
    announce(f"{checkpoint}: initialised {len(matches)} of {len(wanted)} tensors")
    if widened:
        names = _by_module(widened, given.keys() - widened.keys())
        announce(f"widened for more candidate motions: {', '.join(names)}")
    for what, names in (
        ("initialised at random (another shape)", [n for n in wanted if n in shared - matches]),
        ("initialised at random (missing)", [n for n in wanted if n not in given]),
        ("unused (not in this model)", [n for n in given if n not in wanted]),
    ):
        if names:
            announce(f"{what}: {', '.join(_by_module(names, matches))}")


def _by_module(names: Iterable[str], copied: Iterable[str]) -> list[str]:
    """Replace tensors by their largest module of which no tensor was copied."""
    partly = {part for name in copied for part in _prefixes(name)}
    counts = Counter(next(p for p in _prefixes(name) if p not in partly) for name in names)
    return [part if count == 1 else f"{part} ({count})" for part, count in counts.items()]


def _prefixes(name: str) -> Iterator[str]:
    """Yield a, a.b and a.b.c for a.b.c."""
    return accumulate(name.split("."), "{}.{}".format)
