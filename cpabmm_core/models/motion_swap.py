"""Another family of candidate motions in a trained model."""

from cpabmm_core.cpab import Tessellation, VelocitySpace
from cpabmm_core.errors import ConfigError
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.cpab_motion import CpabMotion

_CELLS = 8
_LENGTH_SCALE = 0.5
"""Of the prior: a model whose splines are replaced has learned from motion that reaches far, and
with this scale it renders better than with the default of `cpab.fit`."""


def with_cpab_motion(model: AnimationModel, *, cells: int = _CELLS) -> AnimationModel:
    """Let a model that was trained with splines move by CPAB transformations, without training.

    Each candidate becomes the CPAB transformation that is fitted to the keypoints of the spline it
    replaces. All networks stay as they are, so the model has no global transformation (Eq. 6 of
    Wang et al. for the groups alone).

    Args:
        model: a model with spline motion; it is left unchanged. A model with CPAB motion is
            returned as it is.
        cells: squares per side of the tessellation.

    Returns:
        A model that shares the networks of `model`, in the same mode.

    Raises:
        ConfigError: the model has affine motion, whose keypoints form no groups.

    Example:
        >>> from cpabmm_core.config import load_config
        >>> from cpabmm_core.models import build_model
        >>> splines = build_model(load_config("puppets-64", ["model.motion=tps"]))
        >>> model = with_cpab_motion(splines)
        >>> splines.motion_kind, model.motion_kind, model.generator is splines.generator
        ('tps', 'cpab', True)
    """
    if model.motion_kind == "cpab":
        return model
    if model.motion_kind != "tps":
        raise ConfigError(
            f"motion cpab: the model has {model.motion_kind} motion, whose keypoints form no "
            "groups; use a model with spline motion"
        )
    space = VelocitySpace(Tessellation(cells, cells), boundary="free")
    swapped = AnimationModel(
        model.keypoint_detector,
        model.background_predictor,
        CpabMotion(model.candidate_motion.count, space, None, length_scale=_LENGTH_SCALE),
        model.dense_motion,
        model.generator,
        model.avd,
        frame_size=model.frame_size,
        relative_hull_scaling=model.relative_hull_scaling,
    )
    return swapped.train(model.training)
