"""Construction of the losses, with their frozen networks, from a configuration."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import nn

from cpabmm_core.config import DinoConfig, LossesConfig, PerceptualConfig, SamConfig
from cpabmm_core.losses.objective import Losses
from cpabmm_core.losses.perceptual import PerceptualLoss
from cpabmm_core.losses.pixel import PixelLoss
from cpabmm_core.models.frozen.perceptual import load_perceptual, perceptual_file
from cpabmm_core.models.frozen.weights import WeightFile, find_weights

_Find = Callable[..., Path]
"""`find_weights` with its options bound."""


def build_losses(
    config: LossesConfig, *, allow_download: bool, announce: Callable[[str], None]
) -> Losses:
    """Build the losses: find the weights of the frozen networks, then load them.

    All files are located before the first one is loaded, so missing weights are reported early.

    Args:
        config: weights of the losses, and locations of the networks' weights.
        allow_download: whether missing weights may be downloaded.
        announce: receives a line before each download.

    Raises:
        ConfigError: weights are missing and cannot be downloaded.
        CheckpointError: weights cannot be read.

    Example:
        >>> from cpabmm_core.config import LossesConfig
        >>> config = LossesConfig(reconstruction_kind="pixel")
        >>> build_losses(config, allow_download=False, announce=print).reconstruction
        PixelLoss()
    """
    find = partial(find_weights, allow_download=allow_download, announce=announce)
    perceptual = _find_perceptual(config, find)
    sam = _find_sam(config.sam, find) if config.semantic else None
    dino = _find_dino(config.dino, find) if config.structure else None
    return Losses(
        config,
        PixelLoss() if perceptual is None else _build_perceptual(config.perceptual, perceptual),
        None if sam is None else _build_semantic(config.sam, sam),
        None if dino is None else _build_structure(config.dino, dino),
    )


def _find_perceptual(config: LossesConfig, find: _Find) -> Path | None:
    if config.reconstruction_kind == "pixel":
        return None
    without = "losses.reconstruction_kind=pixel"
    return find(
        perceptual_file(config.perceptual.network), config.perceptual.weights, without=without
    )


def _build_perceptual(config: PerceptualConfig, weights: Path) -> nn.Module:
    return PerceptualLoss(load_perceptual(config.network, weights))


# Segment Anything is slow to import, so it is imported only if its loss is enabled.


def _find_sam(config: SamConfig, find: _Find) -> Path:
    from cpabmm_core.models.frozen.sam import SAM_FILES

    file: WeightFile = SAM_FILES[config.model]
    return find(file, config.weights, without="losses.semantic=0")


def _build_semantic(config: SamConfig, weights: Path) -> nn.Module:
    from cpabmm_core.losses.semantic import SemanticLoss
    from cpabmm_core.models.frozen.sam import load_sam

    return SemanticLoss(
        load_sam(weights, config.model, image_size=config.image_size, precision=config.precision)
    )


def _find_dino(config: DinoConfig, find: _Find) -> Path:
    from cpabmm_core.models.frozen.dino import dino_file

    return find(dino_file(config.model), config.weights, without="losses.structure=0")


def _build_structure(config: DinoConfig, weights: Path) -> nn.Module:
    from cpabmm_core.losses.structure import StructureLoss
    from cpabmm_core.models.frozen.dino import load_dino

    return StructureLoss(load_dino(config.model, weights), config.form)
