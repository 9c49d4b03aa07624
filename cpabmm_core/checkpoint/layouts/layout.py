"""What there is to know of a layout, and what several of them share."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Tensors = dict[str, Tensor]
"""Tensors by name, ``network.key``."""


@dataclass(frozen=True)
class Layout:
    """A way to lay out a checkpoint, as some code writes it."""

    kind: str
    """Its name in records."""
    title: str
    """Its name in sentences."""
    networks: tuple[str, ...]
    """Beginnings of the names of tensors that count, without the dot."""
    telltale: tuple[str, ...]
    """Tensors that every file of the layout has, and no file of another."""
    fixed: tuple[str, ...]
    """Tensors that are no weights; here they are computed."""
    model: Callable[[Tensors], dict[str, Any]]
    """From the tensors to the section ``model`` of the configuration; KeyError names what lacks."""
    rename: Callable[[str], str]
    """From a name to ours; the same where we have none like it."""
    adapt: Callable[[Tensors], Tensors] = lambda ours: ours
    """Changes to tensors, which are by our names already, where more than the name differs."""
    applies: Callable[[Tensors], bool] = lambda tensors: True
    """What tells layouts apart that share their names."""

    def fits(self, tensors: Tensors) -> bool:
        """Whether the tensors are laid out like this."""
        return all(name in tensors for name in self.telltale) and self.applies(tensors)

    def weights(self, tensors: Tensors) -> Tensors:
        """Those of the tensors that are this layout's weights."""
        return {
            name: tensor
            for name, tensor in tensors.items()
            if name.startswith(tuple(f"{network}." for network in self.networks))
            and name not in self.fixed
        }


def renamed(name: str, prefixes: Iterable[tuple[str, str]]) -> str:
    """The name with its beginning changed by the first pair that fits; else as it is."""
    for theirs, ours in prefixes:
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return name


def count(tensors: Tensors, pattern: str) -> int:
    """Number of the parts in a row that a pattern with one ``{}`` names: ``up.{}.weight``."""
    expression = re.compile(re.escape(pattern).replace(r"\{\}", r"(\d+)"))
    found = [int(match[1]) for name in tensors if (match := expression.fullmatch(name))]
    return max(found, default=-1) + 1


def hourglass(tensors: Tensors, encoder: str, decoder: str) -> dict[str, int]:
    """Widths of an hourglass whose blocks lie below ``encoder`` and ``decoder``."""
    blocks = count(tensors, f"{encoder}.down_blocks.{{}}.conv.weight")
    finest = tensors[f"{decoder}.up_blocks.{blocks - 1}.conv.weight"].shape[0]
    return {"block_expansion": finest, **_encoder_blocks(tensors, encoder, blocks)}


def encoder(tensors: Tensors, name: str) -> dict[str, int]:
    """Widths of the encoder of an hourglass without the rest."""
    blocks = count(tensors, f"{name}.down_blocks.{{}}.conv.weight")
    finest = tensors[f"{name}.down_blocks.0.conv.weight"].shape[0] // 2
    return {"block_expansion": finest, **_encoder_blocks(tensors, name, blocks)}


def painter(tensors: Tensors, network: str, *, stem: str) -> dict[str, int]:
    """Widths of a generator's encoder, whose first block is called ``stem``."""
    blocks = count(tensors, f"{network}.down_blocks.{{}}.conv.weight")
    widths = [tensors[f"{network}.{stem}.conv.weight"].shape[0]]
    widths += [tensors[f"{network}.down_blocks.{i}.conv.weight"].shape[0] for i in range(blocks)]
    return {"block_expansion": widths[0], "max_features": max(widths), "down_blocks": blocks}


def scale_factor(tensors: Tensors, kernel: str) -> float:
    """How much a network shrinks its input, from the size of its blur; 1 without one."""
    if kernel not in tensors:
        return 1.0
    radius = tensors[kernel].shape[-1] // 2  # 4 sigma, and sigma = (factor - 1) / 2
    return 1 / (radius // 2 + 1)


def avd(tensors: Tensors, network: str = "avd_network") -> dict[str, int] | None:
    """Sizes of the avd network; None without one."""
    if not any(name.startswith(f"{network}.") for name in tensors):
        return None
    last = max(count(tensors, f"{network}.id_encoder.{{}}.weight") - 1, 0)
    return {
        f"{what}_bottle_size": tensors[f"{network}.{what}_encoder.{last}.weight"].shape[0]
        for what in ("id", "pose")
    }


def _encoder_blocks(tensors: Tensors, name: str, blocks: int) -> dict[str, int]:
    widths = [tensors[f"{name}.down_blocks.{i}.conv.weight"].shape[0] for i in range(blocks)]
    return {"max_features": max(widths), "blocks": blocks}
