"""Reconstruct driving frames from source frames: keypoints, background, motion, image."""

from dataclasses import dataclass

import torch
from torch import Tensor

from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.dense_motion import Motion


@dataclass(frozen=True)
class PairReconstruction:
    """The result of `reconstruct_pair`."""

    generated: Tensor  # (B, 3, H, W) in [0, 1]
    motion: Motion
    kp_source: Tensor  # (B, N, 2 or 6) in [-1, 1]
    kp_driving: Tensor  # (B, N, 2 or 6) in [-1, 1]
    background: Tensor | None  # (B, 3, 3), from driving to source
    source_features: list[Tensor]  # the generator's encoding of the source


def reconstruct_pair(
    model: AnimationModel,
    source: Tensor,  # (B, 3, H, W) in [0, 1]
    driving: Tensor,  # (B, 3, H, W) in [0, 1]
    *,
    keypoints: tuple[Tensor, Tensor] | None = None,  # of source and driving, (B, N, 2 or 6) each
    with_background: bool = True,
    drop: Tensor | None = None,  # (B, K) bool
) -> PairReconstruction:
    """Render each driving frame from its source frame.

    Args:
        model: the model, on the device of the frames.
        source: frames that give the appearance.
        driving: frames of the same clips that give the pose.
        keypoints: keypoints of both frames if they are already detected.
        with_background: whether to estimate the motion of the background.
        drop: candidate motions to leave out, the background first among the K.
    """
    if keypoints is None:
        kp_source, kp_driving = model.keypoints(torch.cat([source, driving])).chunk(2)
    else:
        kp_source, kp_driving = keypoints
    background = model.background(source, driving) if with_background else None
    motion = model.motion(source, kp_source, kp_driving, background, drop=drop)
    features = model.generator.encode(source)
    generated = model.generate(source, motion, features)
    return PairReconstruction(generated, motion, kp_source, kp_driving, background, features)
