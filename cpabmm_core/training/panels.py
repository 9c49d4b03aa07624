"""A picture of what the model does with a few pairs."""

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from cpabmm_core.geometry.local_affine import positions
from cpabmm_core.losses.objective import Outcome
from cpabmm_core.models.dense_motion import Motion
from cpabmm_core.visualize import overlay_keypoints, side_by_side

Picture = npt.NDArray[np.uint8]
_PAIRS = 4
_LEGIBLE = 160
"""Pixels; smaller frames are enlarged."""
_DOTS_IN_FRAME = 64
"""So many keypoints' radii are a side."""
_ERROR_GAIN = 4
_GAP, _GAP_BELOW_PAIR = 2, 10
_WHITE = 255


@torch.no_grad()
def panel(
    source: Tensor,  # (B, 3, H, W) in [0, 1]
    driving: Tensor,  # (B, 3, H, W) in [0, 1]
    outcome: Outcome,
    groups: int,
) -> Picture:
    """Two rows for each of the first pairs: what comes of it, and the candidate motions.

    The first row: source and driving frame, both with keypoints; the source warped by the mixed
    flow; what is visible of it; the generated frame; its error, times 4. The second: the source
    warped by each candidate, the background's first, in colour where it contributes to the mixed
    flow and grey where it does not.
    """
    height, width = driving.shape[2:]
    factor = math.ceil(_LEGIBLE / min(height, width))
    size = height * factor, width * factor
    motion = outcome.motion
    warped = motion.warp(source)
    visible = motion.visible(source).expand(-1, 3, -1, -1)
    error = (outcome.generated - driving).abs() * _ERROR_GAIN
    columns = [
        list(_pictures(images[:_PAIRS], size))
        for images in (source, driving, warped, visible, outcome.generated, error)
    ]
    candidates = _contributing_candidates(motion)
    lines = []
    for i, row in enumerate(zip(*columns, strict=True)):
        marked = [
            overlay_keypoints(
                picture,
                positions(points[i]).cpu().numpy(),
                groups=groups,
                radius=min(size) / _DOTS_IN_FRAME,
            )
            for picture, points in ((row[0], outcome.kp_source), (row[1], outcome.kp_driving))
        ]
        frames = side_by_side([*marked, *row[2:]], gap=_GAP)
        lines += [_with_space(frames, below=_GAP), _strip(candidates[i], size, frames.shape[1])]
    return np.concatenate(lines)


def _contributing_candidates(motion: Motion) -> Tensor:  # (B, K, 3, h, w) in [0, 1]
    """The source warped by each candidate, faint and grey where the candidate does not count."""
    images = motion.deformed_sources.float()
    grey = 0.35 * images.mean(2, keepdim=True) + 0.33  # apart from dark and from light scenes
    return torch.lerp(grey, images, motion.contribution_maps[:, :, None].float())


def _strip(
    images: Tensor,  # (K, 3, h, w) in [0, 1]
    largest: tuple[int, int],  # (height, width) of one
    width: int,
) -> Picture:
    """The images in a row of that width."""
    count = len(images)
    room = min(largest[1], (width - (count - 1) * _GAP) // count)
    row = side_by_side(
        list(_pictures(images, (round(room * largest[0] / largest[1]), room))), gap=_GAP
    )
    return _with_space(row, below=_GAP_BELOW_PAIR, right=width - row.shape[1])


def _with_space(picture: Picture, *, below: int, right: int = 0) -> Picture:
    return np.pad(picture, ((0, below), (0, right), (0, 0)), constant_values=_WHITE)


def _pictures(
    images: Tensor,  # (B, 3, h, w) in [0, 1]
    size: tuple[int, int],  # (height, width)
) -> Iterable[Picture]:
    resized = F.interpolate(images.float(), size, mode="bicubic", antialias=True)
    pixels = resized.clamp(0, 1).mul(255).round().byte()
    return pixels.permute(0, 2, 3, 1).cpu().numpy()
