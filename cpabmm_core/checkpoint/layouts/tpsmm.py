"""Checkpoints of TPSMM and of the paper's own code, which share their layout.

Zhao and Zhang, Thin-Plate Spline Motion Model for Image Animation, CVPR 2022,
github.com/yoyo-nb/Thin-Plate-Spline-Motion-Model (MIT).
"""

import re
from typing import Any

from cpabmm_core.checkpoint.layouts import layout
from cpabmm_core.checkpoint.layouts.layout import Layout, Tensors

_POINTS_PER_GROUP = 5
_MAPS = "dense_motion_network.maps.weight"
_KEYPOINTS = "kp_detector.fg_encoder.fc.weight"
_BLUR = "dense_motion_network.down.weight"
_PREFIXES = (
    ("kp_detector.fg_encoder.fc.", "keypoint_detector.head.linear."),
    ("kp_detector.fg_encoder.", "keypoint_detector.backbone."),
    ("bg_predictor.bg_encoder.fc.", "background_predictor.linear."),
    ("bg_predictor.bg_encoder.", "background_predictor.backbone."),
    ("dense_motion_network.hourglass.encoder.", "dense_motion.hourglass."),
    ("dense_motion_network.hourglass.decoder.", "dense_motion.hourglass."),
    ("dense_motion_network.maps.", "dense_motion.contribution_head."),
    ("dense_motion_network.up.", "dense_motion.refine_blocks."),
    ("dense_motion_network.occlusion.", "dense_motion.occlusion_heads."),
    ("inpainting_network.first.", "generator.stem."),
    ("inpainting_network.final.", "generator.to_rgb."),
    ("inpainting_network.down_blocks.", "generator.down_blocks."),
    ("inpainting_network.up_blocks.", "generator.up_blocks."),
    ("avd_network.", "avd."),
)


def our_name(theirs: str) -> str:
    """Return the name in cpabmm of a tensor that TPSMM calls ``network.key``.

    Unknown names stay unchanged.

    Example:
        >>> our_name("inpainting_network.resblock.3.conv1.weight")
        'generator.residual_blocks.1.1.conv1.weight'
    """
    residual = re.fullmatch(r"inpainting_network\.resblock\.(\d{1,6})\.(.*)", theirs)
    if residual:
        level, place = divmod(int(residual[1]), 2)  # they count the blocks of all levels in a row
        return f"generator.residual_blocks.{level}.{place}.{residual[2]}"
    return layout.rename_prefix(theirs, _PREFIXES)


def _groups(tensors: Tensors) -> int:
    return tensors[_KEYPOINTS].shape[0] // (2 * _POINTS_PER_GROUP)


def _has_global_candidate(tensors: Tensors) -> bool:
    """Return whether there is a map for the paper's global transformation.

    The maps of the groups and the background exist in both layouts, so this map distinguishes them.
    """
    return tensors[_MAPS].shape[0] == _groups(tensors) + 2


def _model(tensors: Tensors) -> dict[str, Any]:
    dense, groups = "dense_motion_network", _groups(tensors)
    has_background = any(name.startswith("bg_predictor.") for name in tensors)
    return {
        "motion": "cpab" if _has_global_candidate(tensors) else "tps",
        "cpab": {"fit": "paper"} if _has_global_candidate(tensors) else {},
        "keypoints": {"groups": groups, "points_per_group": _POINTS_PER_GROUP},
        "background": {} if has_background else None,
        "dense_motion": {
            **layout.hourglass_widths(
                tensors, f"{dense}.hourglass.encoder", f"{dense}.hourglass.decoder"
            ),
            "scale_factor": layout.scale_factor(tensors, _BLUR),
        },
        "inpainting": layout.generator_widths(tensors, "inpainting_network", stem="first"),
        "avd": layout.avd_sizes(tensors),
    }


TPSMM = Layout(
    kind="tpsmm",
    title="TPSMM",
    networks=(
        *("kp_detector", "dense_motion_network", "inpainting_network"),
        *("bg_predictor", "avd_network"),
    ),
    signature=(_KEYPOINTS, _MAPS, "inpainting_network.first.conv.weight"),
    fixed=(_BLUR,),
    model=_model,
    rename=our_name,
    applies=lambda tensors: not _has_global_candidate(tensors),
)

PAPER = Layout(
    kind="cpabmm-paper",
    title="the paper's own code",
    networks=TPSMM.networks,
    signature=TPSMM.signature,
    fixed=TPSMM.fixed,
    model=_model,
    rename=our_name,
    applies=_has_global_candidate,
)
