"""Description of a checkpoint layout, and helpers that several layouts share."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Tensors = dict[str, Tensor]
"""Tensors by name, ``network.key``."""


@dataclass(frozen=True)
class Layout:
    """How the code of one project names and arranges the tensors of a checkpoint."""

    kind: str
    """Its name in records."""
    title: str
    """Its name in sentences."""
    networks: tuple[str, ...]
    """Networks of the model: the parts before the first dot of its tensor names."""
    signature: tuple[str, ...]
    """Tensors that every file of the layout contains, and no file of another layout."""
    fixed: tuple[str, ...]
    """Tensors that are constants; cpabmm computes them."""
    model: Callable[[Tensors], dict[str, Any]]
    """Derives the section ``model`` of the configuration; a `KeyError` names a missing tensor."""
    rename: Callable[[str], str]
    """Maps a tensor name to that of cpabmm; unknown names stay unchanged."""
    adapt: Callable[[Tensors], Tensors] = lambda ours: ours
    """Changes tensors whose arrangement differs from that of cpabmm, after renaming."""
    applies: Callable[[Tensors], bool] = lambda tensors: True
    """Distinguishes layouts with the same tensor names."""

    def matches(self, tensors: Tensors) -> bool:
        """Return whether the tensors have this layout."""
        return all(name in tensors for name in self.signature) and self.applies(tensors)

    def weights(self, tensors: Tensors) -> Tensors:
        """Return the tensors that are weights of this layout."""
        return {
            name: tensor
            for name, tensor in tensors.items()
            if name.startswith(tuple(f"{network}." for network in self.networks))
            and name not in self.fixed
        }


def rename_prefix(name: str, prefixes: Iterable[tuple[str, str]]) -> str:
    """Replace the prefix of a name by the first matching pair of (old, new) prefixes.

    Example:
        >>> rename_prefix("fc.weight", [("conv.", "stem."), ("fc.", "linear.")])
        'linear.weight'
    """
    for theirs, ours in prefixes:
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return name


def count_blocks(tensors: Tensors, pattern: str) -> int:
    """Return the number of consecutive blocks whose names match a pattern with one ``{}``.

    Example:
        >>> import torch
        >>> tensors = {"up.0.weight": torch.ones(1), "up.1.weight": torch.ones(1)}
        >>> count_blocks(tensors, "up.{}.weight")
        2
    """
    expression = re.compile(re.escape(pattern).replace(r"\{\}", r"(\d{1,6})"))
    found = [int(match[1]) for name in tensors if (match := expression.fullmatch(name))]
    return max(found, default=-1) + 1


def hourglass_widths(tensors: Tensors, encoder: str, decoder: str) -> dict[str, int]:
    """Return the widths of an hourglass, given the prefixes of its encoder and decoder."""
    blocks = count_blocks(tensors, f"{encoder}.down_blocks.{{}}.conv.weight")
    finest = tensors[f"{decoder}.up_blocks.{blocks - 1}.conv.weight"].shape[0]
    return {"block_expansion": finest, **_encoder_blocks(tensors, encoder, blocks)}


def encoder_widths(tensors: Tensors, name: str) -> dict[str, int]:
    """Return the widths of an hourglass encoder that has no decoder."""
    blocks = count_blocks(tensors, f"{name}.down_blocks.{{}}.conv.weight")
    finest = tensors[f"{name}.down_blocks.0.conv.weight"].shape[0] // 2
    return {"block_expansion": finest, **_encoder_blocks(tensors, name, blocks)}


def generator_widths(tensors: Tensors, network: str, *, stem: str) -> dict[str, int]:
    """Return the widths of a generator's encoder, whose first block is called `stem`."""
    blocks = count_blocks(tensors, f"{network}.down_blocks.{{}}.conv.weight")
    widths = [tensors[f"{network}.{stem}.conv.weight"].shape[0]]
    widths += [tensors[f"{network}.down_blocks.{i}.conv.weight"].shape[0] for i in range(blocks)]
    return {"block_expansion": widths[0], "max_features": max(widths), "down_blocks": blocks}


def scale_factor(tensors: Tensors, kernel: str) -> float:
    """Return the factor by which a network scales its input, from the size of its blur kernel.

    The factor is 1 if there is no kernel.
    """
    if kernel not in tensors:
        return 1.0
    radius = tensors[kernel].shape[-1] // 2  # 4 sigma, and sigma = (factor - 1) / 2
    return 1 / (radius // 2 + 1)


def avd_sizes(tensors: Tensors, network: str = "avd_network") -> dict[str, int] | None:
    """Return the bottleneck sizes of the avd network; None if there is none."""
    if not any(name.startswith(f"{network}.") for name in tensors):
        return None
    last = max(count_blocks(tensors, f"{network}.id_encoder.{{}}.weight") - 1, 0)
    return {
        f"{what}_bottle_size": tensors[f"{network}.{what}_encoder.{last}.weight"].shape[0]
        for what in ("id", "pose")
    }


def _encoder_blocks(tensors: Tensors, name: str, blocks: int) -> dict[str, int]:
    widths = [tensors[f"{name}.down_blocks.{i}.conv.weight"].shape[0] for i in range(blocks)]
    return {"max_features": max(widths), "blocks": blocks}
