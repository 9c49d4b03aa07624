"""Tensors of cpabmm without a configuration: a state dict, or a file that lost its metadata.

The configuration is derived from the tensors as far as they determine it. It assumes the paper's
backbone and head, and groups of five keypoints.
"""

from dataclasses import replace
from typing import Any

from cpabmm_core.checkpoint.layouts import layout
from cpabmm_core.checkpoint.layouts.layout import Layout, Tensors
from cpabmm_core.checkpoint.older import current_name

_POINTS_PER_GROUP = 5
_KEYPOINTS = "keypoint_detector.head.linear.weight"
_MAPS = "dense_motion.contribution_head.weight"


def _model(tensors: Tensors) -> dict[str, Any]:
    groups = tensors[_KEYPOINTS].shape[0] // (2 * _POINTS_PER_GROUP)
    has_background = any(name.startswith("background_predictor.") for name in tensors)
    refinements = layout.count_blocks(tensors, "dense_motion.refine_blocks.{}.conv.weight")
    return {
        "motion": "cpab" if tensors[_MAPS].shape[0] == groups + 2 else "tps",
        "keypoints": {"groups": groups, "points_per_group": _POINTS_PER_GROUP},
        "background": {} if has_background else None,
        "dense_motion": {
            **layout.hourglass_widths(tensors, "dense_motion.hourglass", "dense_motion.hourglass"),
            "scale_factor": 0.5**refinements,
        },
        "inpainting": layout.generator_widths(tensors, "generator", stem="stem"),
        "avd": layout.avd_sizes(tensors, "avd"),
    }


def is_own(tensors: Tensors) -> bool:
    """Return whether the names of tensors are those of cpabmm, of any configuration."""
    networks = {name.partition(".")[0] for name in tensors}
    return networks >= {"keypoint_detector", "dense_motion"}


def own_layout(tensors: Tensors) -> Layout:
    """Return the layout of tensors for which `is_own` holds."""
    first = "inpainting.stem.conv.weight" in tensors
    return OWN_VERSION_1 if first else OWN


OWN = Layout(
    kind="cpabmm",
    title="cpabmm",
    networks=("keypoint_detector", "background_predictor", "dense_motion", "generator", "avd"),
    signature=(_KEYPOINTS, _MAPS, "generator.stem.conv.weight"),
    fixed=(),
    model=_model,
    rename=lambda name: name,
)

OWN_VERSION_1 = replace(
    OWN,
    networks=("keypoint_detector", "background_predictor", "dense_motion", "inpainting", "avd"),
    signature=(_KEYPOINTS, _MAPS, "inpainting.stem.conv.weight"),
    model=lambda tensors: _model({current_name(name, 1): t for name, t in tensors.items()}),
    rename=lambda name: current_name(name, 1),
)
"""The same layout with the tensor names of format version 1."""
