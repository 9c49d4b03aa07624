"""Training panels: images of the model's intermediate and final results for a few pairs."""

import math
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from cpabmm_core.geometry.local_affine import positions
from cpabmm_core.models.dense_motion import Motion
from cpabmm_core.models.pair_reconstruction import PairReconstruction
from cpabmm_core.visualize import overlay_keypoints, side_by_side

Picture = npt.NDArray[np.uint8]
_PAIRS = 4
_MIN_SIDE = 160
"""Smallest side of a frame in a panel, in pixels. Smaller frames are enlarged."""
_RADII_PER_SIDE = 64
"""Side of a frame divided by the radius of a plotted keypoint."""
_ERROR_GAIN = 4
_GAP, _GAP_BELOW_PAIR = 2, 10
_WHITE = 255


@torch.no_grad()
def render_panel(
    source: Tensor,  # (B, 3, H, W) in [0, 1]
    driving: Tensor,  # (B, 3, H, W) in [0, 1]
    pair: PairReconstruction,
    groups: int,
) -> Picture:
    """Render two rows for each of the first pairs: the reconstruction and the candidate motions.

    The first row shows source and driving frame with keypoints, the source warped by the flow, the
    occlusion map, the generated frame, and its error times 4. The second row shows the source
    warped by each candidate motion, the background's first, in colour where the candidate
    contributes to the flow and in grey elsewhere.

    Args:
        source: source frames.
        driving: driving frames.
        pair: the reconstruction of the driving frames.
        groups: number of keypoint groups, for the colours of the keypoints.

    Returns:
        (H', W', 3) uint8 RGB.
    """
    height, width = driving.shape[2:]
    factor = math.ceil(_MIN_SIDE / min(height, width))
    size = height * factor, width * factor
    rows = []
    candidates = _contributing_candidates(pair.motion)
    columns = _columns(source, driving, pair, size, groups)
    for images, contributing in zip(columns, candidates, strict=False):
        reconstruction = side_by_side(images, gap=_GAP)
        rows.append(_pad(reconstruction, below=_GAP))
        rows.append(_row_of(contributing, size, reconstruction.shape[1]))
    return np.concatenate(rows)


def _columns(
    source: Tensor,  # (B, 3, H, W) in [0, 1]
    driving: Tensor,  # (B, 3, H, W) in [0, 1]
    pair: PairReconstruction,
    size: tuple[int, int],  # (height, width)
    groups: int,
) -> Iterator[list[Picture]]:
    """Yield the images of the first row of each pair."""
    visible = pair.motion.visible(source).expand(-1, 3, -1, -1)
    error = (pair.generated - driving).abs() * _ERROR_GAIN
    columns = [
        list(_to_pictures(images[:_PAIRS], size))
        for images in (source, driving, pair.motion.warp(source), visible, pair.generated, error)
    ]
    radius = min(size) / _RADII_PER_SIDE
    for i, images in enumerate(zip(*columns, strict=True)):
        marked = [
            overlay_keypoints(
                image, positions(points[i]).cpu().numpy(), groups=groups, radius=radius
            )
            for image, points in ((images[0], pair.kp_source), (images[1], pair.kp_driving))
        ]
        yield [*marked, *images[2:]]


def _contributing_candidates(motion: Motion) -> Tensor:  # (B, K, 3, h, w) in [0, 1]
    """Return the source warped by each candidate, greyed out where it does not contribute."""
    images = motion.deformed_sources.float()
    grey = 0.35 * images.mean(2, keepdim=True) + 0.33  # stands out from dark and from light scenes
    return torch.lerp(grey, images, motion.contribution_maps[:, :, None].float())


def _row_of(
    images: Tensor,  # (K, 3, h, w) in [0, 1]
    largest: tuple[int, int],  # (height, width) of one
    width: int,
) -> Picture:
    """Arrange the images in a row of the given width."""
    count = len(images)
    room = min(largest[1], (width - (count - 1) * _GAP) // count)
    row = side_by_side(
        list(_to_pictures(images, (round(room * largest[0] / largest[1]), room))), gap=_GAP
    )
    return _pad(row, below=_GAP_BELOW_PAIR, right=width - row.shape[1])


def _pad(picture: Picture, *, below: int, right: int = 0) -> Picture:
    return np.pad(picture, ((0, below), (0, right), (0, 0)), constant_values=_WHITE)


def _to_pictures(
    images: Tensor,  # (B, 3, h, w) in [0, 1]
    size: tuple[int, int],  # (height, width)
) -> Iterable[Picture]:
    resized = F.interpolate(images.float(), size, mode="bicubic", antialias=True)
    pixels = resized.clamp(0, 1).mul(255).round().byte()
    return pixels.permute(0, 2, 3, 1).cpu().numpy()
