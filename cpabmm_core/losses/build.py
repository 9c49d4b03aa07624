"""From a configuration to the losses with their frozen networks."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import nn

from cpabmm_core.config import DinoConfig, LossesConfig, SamConfig
from cpabmm_core.losses.objective import Losses
from cpabmm_core.losses.perceptual import PerceptualLoss
from cpabmm_core.losses.pixel import PixelLoss
from cpabmm_core.models.frozen.vgg import VGG19_FILE, find_vgg19, load_vgg19
from cpabmm_core.models.frozen.weights import WeightFile, find_weights

_Find = Callable[..., Path]  # find_weights with how to find settled


def build_losses(
    config: LossesConfig, *, allow_download: bool, announce: Callable[[str], None]
) -> Losses:
    """Find the weights of every frozen network that is asked for, then load them.

    All are found before the first is loaded, so that what is missing is known at once.

    Args:
        config: weights of the losses and where the networks' weights are.
        allow_download: whether what is not at hand may be downloaded.
        announce: told of downloads, and where pixels take the place of features.

    Raises:
        ConfigError: weights that are not at hand and cannot be had.
        CheckpointError: weights that cannot be read.
    """
    find = partial(find_weights, allow_download=allow_download, announce=announce)
    vgg = _find_vgg(config, find, announce)
    sam = _find_sam(config.sam, find) if config.semantic else None
    dino = _find_dino(config.dino, find) if config.structure else None
    return Losses(
        config,
        "pixel" if vgg is None else "perceptual",
        PixelLoss() if vgg is None else PerceptualLoss(load_vgg19(vgg)),
        None if sam is None else _semantic(config.sam, sam),
        None if dino is None else _structure(config.dino, dino),
    )


def _find_vgg(config: LossesConfig, find: _Find, announce: Callable[[str], None]) -> Path | None:
    if config.reconstruction_kind == "pixel":
        return None
    if config.reconstruction_kind == "perceptual":
        without = "losses.reconstruction_kind=pixel"
        return find(VGG19_FILE, config.vgg_weights, without=without)
    path = find_vgg19(config.vgg_weights)
    if path is None:
        announce("no VGG-19 weights found: reconstruction compares pixels, not features")
    return path


# Segment Anything and timm are slow to import: only where their losses count.


def _find_sam(config: SamConfig, find: _Find) -> Path:
    from cpabmm_core.models.frozen.sam import SAM_FILES

    file: WeightFile = SAM_FILES[config.model]
    return find(file, config.weights, without="losses.semantic=0")


def _semantic(config: SamConfig, weights: Path) -> nn.Module:
    from cpabmm_core.losses.semantic import SemanticLoss
    from cpabmm_core.models.frozen.sam import load_sam

    return SemanticLoss(
        load_sam(weights, config.model, image_size=config.image_size, precision=config.precision)
    )


def _find_dino(config: DinoConfig, find: _Find) -> Path:
    from cpabmm_core.models.frozen.dino import dino_file

    return find(dino_file(config.model), config.weights, without="losses.structure=0")


def _structure(config: DinoConfig, weights: Path) -> nn.Module:
    from cpabmm_core.losses.structure import StructureLoss
    from cpabmm_core.models.frozen.dino import load_dino

    return StructureLoss(load_dino(config.model, weights), config.form)
