"""What the candidate motions of a model do: how well they fit, and what they teach."""

from typing import NamedTuple

import torch
from torch import Tensor

from cpabmm_core.cpab import VelocitySpace, fit
from cpabmm_core.geometry import apply_affine, fit_tps, identity_grid, positions, to_unit_square
from cpabmm_core.models import AnimationModel, CpabMotion, Motion


class Residuals(NamedTuple):
    """Distances between moved driving keypoints and source keypoints, in pixels."""

    local: Tensor  # (B,)
    """Means over all groups of keypoints."""
    overall: Tensor | None  # (B,)
    """Means over the keypoints of the global candidate; None without one."""


@torch.no_grad()
def fit_residuals(
    model: AnimationModel,
    kp_source: Tensor,  # (B, N, 2 or 6) in [-1, 1]
    kp_driving: Tensor,  # (B, N, 2 or 6) in [-1, 1]
) -> Residuals:
    """Return how far the candidates miss the keypoints that they are fitted to.

    Splines miss them because their fit is regularised. The affine map of a keypoint meets it by
    definition.
    """
    motion, pixels = model.candidate_motion, model.frame_size - 1
    if model.motion_kind == "affine":
        return Residuals(kp_driving.new_zeros(len(kp_driving)), None)
    source, driving = (positions(kp).float() for kp in (kp_source, kp_driving))
    if not isinstance(motion, CpabMotion):
        start, end = (kp.reshape(len(kp) * motion.count, -1, 2) for kp in (driving, source))
        missed = fit_tps(start, end)(start) - end
        return Residuals(_per_frame(missed, len(driving)) * pixels / 2, None)
    source, driving = to_unit_square(source), to_unit_square(driving)
    parts = (
        (motion.local_space, motion.groups, motion.iterations),
        (motion.global_space, 1, motion.global_iterations),
    )
    local, overall = (
        None if space is None else _missed(motion, space, groups, iterations, source, driving)
        for space, groups, iterations in parts
    )
    assert local is not None
    return Residuals(local * pixels, None if overall is None else overall * pixels)


def _missed(
    motion: CpabMotion,
    space: VelocitySpace,
    groups: int,
    iterations: int | None,
    source: Tensor,  # (B, N, 2) in the unit square
    driving: Tensor,  # (B, N, 2)
) -> Tensor:  # (B,) in sides of the square
    """Fit as the model does in eval mode, and return the mean distances."""
    start, end = (kp.reshape(len(kp) * groups, -1, 2) for kp in (driving, source))
    together = groups if motion.solver == "adam" else None
    found = fit(
        space,
        start,
        end,
        solver=motion.solver,
        length_scale=motion.length_scale,
        iterations=iterations,
        together=together,
    )
    return _per_frame(found.residual, len(driving))


def _per_frame(
    missed: Tensor,  # (B * groups, P, 2)
    frames: int,
) -> Tensor:  # (B,)
    distances: Tensor = missed.norm(dim=-1)
    return distances.view(frames, -1).mean(1)


@torch.no_grad()
def warp_errors(
    model: AnimationModel,
    source: Tensor,  # (B, 3, H, W) in [0, 1]
    driving: Tensor,  # (B, 3, H, W) in [0, 1]
    motion: Motion,
) -> dict[str, Tensor]:  # (B,) each
    """Return L1 errors of the warped source, without inpainting, at the size of the flow.

    They tell poor candidates from poor mixing: ``warped`` is the error of the flow that the model
    mixes, and ``best_candidate`` that of a flow which takes at each position the candidate of the
    smallest error there. ``still_small`` is the error of the static baseline.
    """
    small = model.dense_motion.downsample(source)
    target = model.dense_motion.downsample(driving)
    each = (motion.deformed_sources - target[:, None]).abs().mean(2)  # (B, K, h, w)
    return {
        "still_small": (small - target).abs().mean((1, 2, 3)),
        "warped": (motion.warp(small) - target).abs().mean((1, 2, 3)),
        "best_candidate": each.amin(1).mean((1, 2)),
    }


class DetectorGradient(NamedTuple):
    """Norms of the gradient of one error of the warped source, over the keypoint detector."""

    candidates: float
    """What arrives through the candidate motions: 0 for a fit without gradients."""
    heatmaps: float
    """What arrives through the heatmaps that the dense motion network reads."""


def detector_gradient(
    model: AnimationModel,
    source: Tensor,  # (B, 3, H, W) in [0, 1]
    driving: Tensor,  # (B, 3, H, W) in [0, 1]
) -> DetectorGradient:
    """Return how much the warp alone teaches the keypoint detector.

    The error is the L1 distance between the warped source and the driving frame, without occlusion
    and inpainting. The model stays in eval mode.
    """
    norms = []
    for through_candidates in (True, False):
        keypoints = model.keypoints(torch.cat([source, driving]))
        moved, seen = (
            (keypoints, keypoints.detach())
            if through_candidates
            else (keypoints.detach(), keypoints)
        )
        motion = _motion(model, source, driving, moved, seen)
        error = (motion.warp(source) - driving).abs().mean()
        norms.append(_gradient_norm(model, error))
    return DetectorGradient(*norms)


def _motion(
    model: AnimationModel,
    source: Tensor,  # (B, 3, H, W)
    driving: Tensor,  # (B, 3, H, W)
    moved: Tensor,  # (2 B, N, 2 or 6), the keypoints of which candidates are made
    seen: Tensor,  # (2 B, N, 2 or 6), the keypoints of the heatmaps
) -> Motion:
    """Estimate the motion as the model does, from two copies of the keypoints."""
    size = model.dense_motion.flow_size((source.shape[2], source.shape[3]))
    kp_source, kp_driving = moved.chunk(2)
    flows = model.candidate_motion(kp_source, kp_driving, size)
    rest = identity_grid(*size, device=source.device).expand(len(source), -1, -1, -1)
    background = model.background(source, driving)
    if background is not None:
        rest = apply_affine(background, rest)
    candidates = torch.cat((rest[:, None], flows), dim=1)
    motion: Motion = model.dense_motion(source, *seen.chunk(2), candidates, None)
    return motion


def _gradient_norm(model: AnimationModel, error: Tensor) -> float:
    weights = [w for w in model.keypoint_detector.parameters() if w.requires_grad]
    if not error.requires_grad:
        return 0.0
    gradients = torch.autograd.grad(error, weights, allow_unused=True)
    squares = [gradient.square().sum() for gradient in gradients if gradient is not None]
    return float(torch.stack(squares).sum().sqrt()) if squares else 0.0


def perplexity(
    weights: Tensor,  # (K,), not negative
) -> float | None:
    """Return the effective number of parts: all if their weights are equal, 1 if one dominates.

    Returns:
        The perplexity, or None if all weights are 0.
    """
    total = weights.sum()
    return float(torch.exp(torch.special.entr(weights / total).sum())) if total > 0 else None
