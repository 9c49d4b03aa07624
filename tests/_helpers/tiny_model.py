"""Animation models small enough for a test."""

from typing import Any

import torch

from cpabmm_core.config import Config, config_from_dict
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.build import build_model
from cpabmm_core.models.hourglass_keypoints import HourglassKeypointDetector
from cpabmm_core.models.keypoints import RegressionHead

_BACKBONE = "test_efficientnet"  # timm's smallest convolutional model with batch norm


def tiny_config(**changes: object) -> Config:
    """Return the configuration of a very small model for frames of 32 px.

    Args:
        changes: dotted keys and values: ``tiny_config(**{"model.motion": "tps"})``.
    """
    values: dict[str, Any] = {
        "data": {"frame_size": 32},
        "model": {
            "keypoints": {"backbone": _BACKBONE, "groups": 2, "points_per_group": 3},
            "background": {"backbone": _BACKBONE},
            "cpab": {"cells": 2, "global_cells": 2},
            "dense_motion": {"block_expansion": 4, "max_features": 16, "blocks": 3},
            "inpainting": {"block_expansion": 4, "max_features": 16, "down_blocks": 2},
        },
        "training": {"mixed_precision": "no"},  # the same results on every machine
    }
    for key, value in changes.items():
        *sections, last = key.split(".")
        section = values
        for name in sections:
            section = section.setdefault(name, {})
        section[last] = value
    return config_from_dict(values, "tiny_config")


def tiny_affine_config(frames: str = "jacobian", /, **changes: object) -> Config:
    """Return the same with affine motion, as in FOMM (``jacobian``) or MRAA (``pca``)."""
    sizes = {"block_expansion": 4, "max_features": 16, "blocks": 2}
    affine = {"keypoints": 4, "frames": frames, "skips": frames == "pca", "padding": 3, **sizes}
    background = None if frames == "jacobian" else {"backbone": "hourglass", **sizes}
    return tiny_config(
        **{
            "model.motion": "affine",
            "model.affine": {**affine, "scale_factor": 0.5, "bottleneck_blocks": 2},
            "model.background": background,
            **changes,
        }
    )


def tiny_model(config: Config | None = None, *, seed: int = 0) -> AnimationModel:
    """Build a model in eval mode, with random weights that depend only on the seed.

    The keypoints of a freshly initialised model lie in one spot and hardly move. Here they are
    spread out and depend on the frame, so that a different driving frame gives a different result.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_model(config or tiny_config()).eval()
        detector = model.keypoint_detector
        if isinstance(detector, HourglassKeypointDetector):
            torch.nn.init.normal_(detector.heatmaps.weight, std=0.5)
            torch.nn.init.normal_(model.generator.to_rgb.weight, std=2.0)
        elif isinstance(head := detector.head, RegressionHead):
            torch.nn.init.normal_(head.linear.weight, std=20.0)
            torch.nn.init.uniform_(head.linear.bias, -1.5, 1.5)
        return model
