"""From a configuration to a model with random weights; the only reader of it in this package."""

import math

from cpabmm_core.config import AvdConfig, Config, CpabConfig, ModelConfig
from cpabmm_core.cpab import Tessellation, VelocitySpace
from cpabmm_core.errors import ConfigError
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.avd import AvdNetwork
from cpabmm_core.models.background import BackgroundPredictor
from cpabmm_core.models.dense_motion import DenseMotionNetwork
from cpabmm_core.models.inpainting import InpaintingNetwork
from cpabmm_core.models.keypoints import KeypointDetector
from cpabmm_core.models.motion import CandidateMotion, CpabMotion, TpsMotion


def build_model(config: Config) -> AnimationModel:
    """Build the animation model that a configuration describes.

    Raises:
        ConfigError: sizes that do not fit together, or an unknown backbone.
    """
    model = config.model
    frame_size = config.data.frame_size
    _check_sizes(model, frame_size)
    candidate_motion = _candidate_motion(model)
    keypoints = model.keypoints
    return AnimationModel(
        KeypointDetector(
            keypoints.backbone, keypoints.head, keypoints.groups, keypoints.points_per_group
        ),
        None if model.background is None else BackgroundPredictor(model.background.backbone),
        candidate_motion,
        DenseMotionNetwork(
            candidates=1 + candidate_motion.count,
            keypoints=_keypoint_count(model),
            block_expansion=model.dense_motion.block_expansion,
            max_features=model.dense_motion.max_features,
            blocks=model.dense_motion.blocks,
            scale_factor=model.dense_motion.scale_factor,
            occlusion_levels=model.inpainting.down_blocks + 1,
        ),
        InpaintingNetwork(
            model.inpainting.block_expansion,
            model.inpainting.max_features,
            model.inpainting.down_blocks,
        ),
        None if model.avd is None else build_avd(model, model.avd),
        frame_size=frame_size,
    )


def build_avd(model: ModelConfig, avd: AvdConfig) -> AvdNetwork:
    """Build the network of mode ``avd`` for a model, which may have none yet."""
    return AvdNetwork(_keypoint_count(model), avd.id_bottle_size, avd.pose_bottle_size)


def _keypoint_count(model: ModelConfig) -> int:
    return model.keypoints.groups * model.keypoints.points_per_group


def _candidate_motion(model: ModelConfig) -> CandidateMotion:
    if model.motion == "tps":
        return TpsMotion(model.keypoints.groups)
    cpab = model.cpab
    if cpab.solver == "adam" and cpab.implicit_gradient:
        raise ConfigError(
            "model.cpab.implicit_gradient: the adam solver has no gradient; "
            "set it to false or take solver gauss-newton"
        )
    return CpabMotion(
        model.keypoints.groups,
        _space(cpab, cpab.cells),
        None if cpab.global_cells is None else _space(cpab, cpab.global_cells),
        solver=cpab.solver,
        iterations=cpab.iterations,
        implicit_gradient=cpab.implicit_gradient,
    )


def _space(cpab: CpabConfig, cells: int) -> VelocitySpace:
    return VelocitySpace(
        Tessellation(cells, cells),
        boundary=cpab.boundary,
        volume_preserving=cpab.volume_preserving,
    )


def _check_sizes(model: ModelConfig, frame_size: int) -> None:
    dense, down_blocks = model.dense_motion, model.inpainting.down_blocks
    doublings = math.log2(1 / dense.scale_factor)
    if not doublings.is_integer():
        raise ConfigError(
            f"model.dense_motion.scale_factor: {dense.scale_factor} is not 1, 0.5, 0.25, ...; "
            "take one of these"
        )
    _check_divisible(
        frame_size,
        2 ** (int(doublings) + dense.blocks),
        "model.dense_motion.blocks or enlarge model.dense_motion.scale_factor",
    )
    _check_divisible(frame_size, 2**down_blocks, "model.inpainting.down_blocks")
    if frame_size == 2**down_blocks:
        raise ConfigError(
            f"data.frame_size: {frame_size} leaves one pixel after {down_blocks} down blocks; "
            "lower model.inpainting.down_blocks"
        )
    if down_blocks + 1 - doublings > dense.blocks:
        raise ConfigError(
            f"model.inpainting.down_blocks: {down_blocks} asks for more occlusion maps than the "
            f"dense motion network has levels; raise model.dense_motion.blocks above {dense.blocks}"
        )


def _check_divisible(frame_size: int, divisor: int, cure: str) -> None:
    if frame_size % divisor:
        below = frame_size // divisor * divisor
        nearest = f"{below} or {below + divisor}" if below else f"{divisor}"
        raise ConfigError(
            f"data.frame_size: {frame_size} is not divisible by {divisor}; "
            f"take {nearest}, or lower {cure}"
        )
