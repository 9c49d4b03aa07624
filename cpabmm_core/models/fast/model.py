"""View of an animation model for inference."""

from itertools import chain

import torch
from torch import Tensor

from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.dense_motion import Motion
from cpabmm_core.models.fast.lanes import in_lanes
from cpabmm_core.models.fast.views import Prepare, adopt

_PIXELS_AT_ONCE = 1 << 16
"""Pixels of the frames that a thread computes together."""


class FastAnimationModel(AnimationModel):
    """View of an `AnimationModel` that computes the frames of a batch side by side."""

    def __init__(self, plain: AnimationModel, prepare: Prepare) -> None:
        """Show `plain`."""
        adopt(self, plain, prepare)

    @torch.no_grad()
    def keypoints(
        self,
        images: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # (B, N, 2) in [-1, 1], or (B, N, 6) with affine motion
        """Detect the keypoints of each image."""
        detect = super().keypoints
        parts = in_lanes(lambda part: detect(images[part]), len(images), images.device)
        return torch.cat(parts)

    @torch.no_grad()
    def background(
        self,
        source: Tensor,  # (B, 3, H, W) in [0, 1]
        driving: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor | None:  # (B, 3, 3)
        """Predict the affine motion of the background."""
        predict = self.background_predictor
        if predict is None:
            return None
        parts: list[Tensor] = in_lanes(
            lambda part: predict(source[part], driving[part]), len(driving), driving.device
        )
        return torch.cat(parts)

    @torch.no_grad()
    def motion(
        self,
        source: Tensor,  # (B, 3, H, W), or (1, 3, H, W), in [0, 1]
        kp_source: Tensor,  # (B, N, 2 or 6), or (1, N, 2 or 6), in [-1, 1]
        kp_driving: Tensor,  # (B, N, 2 or 6) in [-1, 1]
        background: Tensor | None = None,  # (B, 3, 3)
        *,
        drop: Tensor | None = None,  # (B, K) bool
    ) -> Motion:
        """Estimate the motion between the source and each driving pose."""
        size = self.dense_motion.flow_size((source.shape[2], source.shape[3]))
        # The fit is many short operators, for which threads would wait for the interpreter.
        same = kp_source.expand_as(kp_driving)
        candidates = self._candidates(same, kp_driving, background, size)

        def mix(part: slice) -> list[Motion]:
            return [
                self.dense_motion(
                    _some(source, few),
                    _some(kp_source, few),
                    _some(kp_driving, few),
                    _some(candidates, few),
                    None if drop is None else _some(drop, few),
                )
                for few in _at_once(part, source)
            ]

        return _joined([*chain(*in_lanes(mix, len(kp_driving), source.device))])

    @torch.no_grad()
    def generate(
        self,
        source: Tensor,  # (B, 3, H, W), or (1, 3, H, W), in [0, 1]
        motion: Motion,
        features: list[Tensor] | None = None,  # fine to coarse
    ) -> Tensor:  # (B, 3, H, W) in [0, 1]
        """Render the source in the driving poses."""
        if features is None:
            features = self.generator.encode(source)

        def render(part: slice) -> list[Tensor]:
            return [
                self.generator.render(
                    _some(source, few),
                    [_some(level, few) for level in features],
                    _some_of_motion(motion, few),
                )
                for few in _at_once(part, source)
            ]

        count = len(motion.deformation)
        return torch.cat([*chain(*in_lanes(render, count, source.device))])


def _at_once(
    part: slice,
    source: Tensor,  # (1 or B, 3, H, W)
) -> list[slice]:
    """Split a part of a batch: large frames stay in the cache, small ones share calls."""
    if source.device.type != "cpu":
        return [part]
    step = max(1, _PIXELS_AT_ONCE // (source.shape[2] * source.shape[3]))
    return [slice(at, min(at + step, part.stop)) for at in range(part.start, part.stop, step)]


def _some(tensor: Tensor, few: slice) -> Tensor:
    """Return some frames of a batch; a batch of one serves all frames."""
    return tensor if len(tensor) == 1 else tensor[few]


def _some_of_motion(motion: Motion, few: slice) -> Motion:
    return Motion(
        _some(motion.deformation, few),
        _some(motion.contribution_maps, few),
        [_some(level, few) for level in motion.occlusion_maps],
        _some(motion.deformed_sources, few),
        motion.align_corners,
        motion.padding,
    )


def _joined(motions: list[Motion]) -> Motion:
    if len(motions) == 1:
        return motions[0]
    levels = zip(*(motion.occlusion_maps for motion in motions), strict=True)
    return Motion(
        torch.cat([motion.deformation for motion in motions]),
        torch.cat([motion.contribution_maps for motion in motions]),
        [torch.cat(level) for level in levels],
        torch.cat([motion.deformed_sources for motion in motions]),
        motions[0].align_corners,
        motions[0].padding,
    )
