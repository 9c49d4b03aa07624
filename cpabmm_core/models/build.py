"""Build models from a configuration; no other module of this package reads it."""

import math

from torch import nn

from cpabmm_core.config import (
    AffineConfig,
    AvdConfig,
    BackgroundConfig,
    Config,
    CpabConfig,
    DenseMotionConfig,
    ModelConfig,
)
from cpabmm_core.cpab import Tessellation, VelocitySpace
from cpabmm_core.errors import ConfigError
from cpabmm_core.models.affine_motion import AffineMotion
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.avd import AvdNetwork
from cpabmm_core.models.backbones import build_encoder_backbone, build_pooled_backbone
from cpabmm_core.models.background import BackgroundPredictor, RegisteredBackground
from cpabmm_core.models.cpab_motion import CpabMotion
from cpabmm_core.models.dense_motion import DenseMotionNetwork
from cpabmm_core.models.discriminator import Discriminator, smallest_side
from cpabmm_core.models.generator import Generator
from cpabmm_core.models.hourglass_keypoints import KERNEL_SIZE, HourglassKeypointDetector
from cpabmm_core.models.inpainting import InpaintingNetwork
from cpabmm_core.models.keypoints import KeypointDetector
from cpabmm_core.models.motion import CandidateMotion
from cpabmm_core.models.occlusion_aware import OcclusionAwareGenerator
from cpabmm_core.models.tps_motion import TpsMotion


def build_model(config: Config) -> AnimationModel:
    """Build the animation model that a configuration describes.

    Args:
        config: the configuration; only its sections ``model`` and ``data`` are used.

    Returns:
        The model with random weights, in training mode, on the CPU.

    Raises:
        ConfigError: sizes do not fit together, or the backbone is unknown.

    Example:
        >>> from cpabmm_core.config import load_config
        >>> model = build_model(load_config("puppets-64"))
        >>> model.motion_kind, model.frame_size
        ('cpab', 64)
    """
    model = config.model
    frame_size = config.data.frame_size
    _check_sizes(model, frame_size)
    candidate_motion = _candidate_motion(model)
    return AnimationModel(
        _keypoint_detector(model),
        None if model.background is None else _background_predictor(model.background),
        candidate_motion,
        _dense_motion(model, 1 + candidate_motion.count),
        _generator(model),
        None if model.avd is None else build_avd(model, model.avd),
        frame_size=frame_size,
        relative_hull_scaling=model.relative_hull_scaling,
    )


def build_avd(model: ModelConfig, avd: AvdConfig) -> AvdNetwork:
    """Build an avd network that matches a model, whether or not the model has one yet."""
    return AvdNetwork(
        keypoint_count(model),
        avd.id_bottle_size,
        avd.pose_bottle_size,
        numbers_per_keypoint=6 if model.motion == "affine" else 2,
        undirected=model.motion == "affine" and model.affine.frames == "pca",
    )


def build_discriminator(config: Config) -> Discriminator:
    """Build the discriminator of the adversarial loss, which is not part of the model.

    Raises:
        ConfigError: the frames are too small for it.
    """
    sizes, frame_size = config.losses.discriminator, config.data.frame_size
    if frame_size < smallest_side(sizes.blocks):
        raise ConfigError(
            f"losses.discriminator.blocks: {sizes.blocks} blocks need frames of at least "
            f"{smallest_side(sizes.blocks)} pixels, but data.frame_size is {frame_size}; lower it"
        )
    return Discriminator(
        keypoint_count(config.model) if sizes.keypoints else 0,
        sizes.block_expansion,
        sizes.max_features,
        sizes.blocks,
        spectral_norm=sizes.spectral_norm,
    )


def keypoint_count(model: ModelConfig) -> int:
    """Return the number of keypoints that the model detects."""
    if model.motion == "affine":
        return model.affine.keypoints
    return model.keypoints.groups * model.keypoints.points_per_group


def keypoint_groups(model: ModelConfig) -> int:
    """Return the number of groups of keypoints that move together."""
    return model.affine.keypoints if model.motion == "affine" else model.keypoints.groups


def _keypoint_detector(model: ModelConfig) -> nn.Module:
    if model.motion == "affine":
        affine = model.affine
        return HourglassKeypointDetector(
            affine.keypoints,
            "regressed" if affine.frames == "jacobian" else "principal",
            block_expansion=affine.block_expansion,
            max_features=affine.max_features,
            blocks=affine.blocks,
            scale_factor=affine.scale_factor,
            padding=affine.padding,
            single_jacobian_map=affine.single_jacobian_map,
        )
    keypoints = model.keypoints
    return KeypointDetector(
        keypoints.backbone, keypoints.head, keypoints.groups, keypoints.points_per_group
    )


def _background_predictor(background: BackgroundConfig) -> nn.Module:
    if background.backbone == "registration":
        return RegisteredBackground()
    if background.backbone == "hourglass":
        sizes = background.block_expansion, background.max_features, background.blocks
        return BackgroundPredictor(*build_encoder_backbone(6, *sizes))
    return BackgroundPredictor(*build_pooled_backbone(background.backbone, in_channels=6))


def _dense_motion(model: ModelConfig, candidates: int) -> DenseMotionNetwork:
    dense, is_affine = model.dense_motion, model.motion == "affine"
    return DenseMotionNetwork(
        candidates,
        keypoint_count(model),
        block_expansion=dense.block_expansion,
        max_features=dense.max_features,
        blocks=dense.blocks,
        scale_factor=dense.scale_factor,
        occlusion_levels=1 if is_affine else model.inpainting.down_blocks + 1,
        finest_occlusion="flow" if is_affine else "frame",
        norm="batch" if is_affine else "instance",
        anisotropic_heatmaps=is_affine and model.affine.frames == "pca",
        align_corners=not is_affine or model.affine.align_corners,
        padding=dense.padding,
        hide_tears=dense.hide_tears,
    )


def _generator(model: ModelConfig) -> Generator:
    sizes = model.inpainting
    if model.motion == "affine":
        return OcclusionAwareGenerator(
            sizes.block_expansion,
            sizes.max_features,
            sizes.down_blocks,
            bottleneck_blocks=model.affine.bottleneck_blocks,
            skips=model.affine.skips,
        )
    return InpaintingNetwork(sizes.block_expansion, sizes.max_features, sizes.down_blocks)


def _candidate_motion(model: ModelConfig) -> CandidateMotion:
    if model.motion == "affine":
        return AffineMotion(model.affine.keypoints, undirected=model.affine.frames == "pca")
    if model.motion == "tps":
        return TpsMotion(model.keypoints.groups)
    cpab = model.cpab
    is_paper, steps = cpab.fit == "paper", cpab.paper_iterations
    return CpabMotion(
        model.keypoints.groups,
        _space(cpab, cpab.cells),
        None if cpab.global_cells is None else _space(cpab, cpab.global_cells),
        solver="adam" if is_paper else "gauss-newton",
        iterations=steps if is_paper else cpab.iterations,
        global_iterations=int(1.5 * steps) if is_paper else cpab.iterations,
        length_scale=None if is_paper else cpab.length_scale,
        implicit_gradient=cpab.fit == "solve",
    )


def _space(cpab: CpabConfig, cells: int) -> VelocitySpace:
    return VelocitySpace(
        Tessellation(cells, cells),
        boundary=cpab.boundary,
        volume_preserving=cpab.volume_preserving,
    )


def _check_sizes(model: ModelConfig, frame_size: int) -> None:
    halvings = _check_hourglass("dense_motion", model.dense_motion, frame_size)
    down_blocks = model.inpainting.down_blocks
    _check_divisible(frame_size, 2**down_blocks, "model.inpainting.down_blocks")
    if frame_size == 2**down_blocks:
        raise ConfigError(
            f"data.frame_size: {frame_size} pixels shrink to one after {down_blocks} down blocks; "
            "lower model.inpainting.down_blocks"
        )
    if model.background is not None and model.background.backbone == "hourglass":
        _check_divisible(frame_size, 2**model.background.blocks, "model.background.blocks")
    if model.motion == "affine":
        _check_heatmaps(model.affine, frame_size)
    elif down_blocks + 1 - halvings > model.dense_motion.blocks:
        raise ConfigError(
            f"model.inpainting.down_blocks: {down_blocks} needs more occlusion maps than the "
            "dense motion network has levels; raise model.dense_motion.blocks above "
            f"{model.dense_motion.blocks}"
        )


def _check_heatmaps(affine: AffineConfig, frame_size: int) -> None:
    halvings = _check_hourglass("affine", affine, frame_size)
    features = frame_size // 2**halvings
    if features + 2 * affine.padding < KERNEL_SIZE + 1:
        raise ConfigError(
            f"model.affine.padding: {affine.padding} is too small for features of {features} x "
            f"{features} pixels; use 3, or raise model.affine.scale_factor"
        )


def _check_hourglass(section: str, sizes: DenseMotionConfig | AffineConfig, frame_size: int) -> int:
    """Return how many times the frame is halved before the hourglass."""
    halvings = math.log2(1 / sizes.scale_factor)
    if not halvings.is_integer():
        raise ConfigError(
            f"model.{section}.scale_factor: {sizes.scale_factor} is not 1, 0.5, 0.25, ...; "
            "use one of these"
        )
    _check_divisible(
        frame_size,
        2 ** (int(halvings) + sizes.blocks),
        f"model.{section}.blocks or raise model.{section}.scale_factor",
    )
    return int(halvings)


def _check_divisible(frame_size: int, divisor: int, cure: str) -> None:
    if frame_size % divisor:
        below = frame_size // divisor * divisor
        nearest = f"{below} or {below + divisor}" if below else f"{divisor}"
        raise ConfigError(
            f"data.frame_size: {frame_size} is not divisible by {divisor}; "
            f"use {nearest}, or lower {cure}"
        )
