"""Unexplained share: how closely learned keypoints follow the body's joints.

A keypoint attached to one body part keeps its offset from the nearest joint while the body moves.
The score of keypoints learned without labels is the variation of that offset, on videos whose true
joints are known.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpabmm_core.errors import ShapeError
from cpabmm_core.metrics.numbers import as_float64


class UnexplainedShare(NamedTuple):
    """Scores of the joints; 0 is best, and a keypoint that follows the body's mean scores 1.

    Example:
        >>> joints = [[[0.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [3.0, 0.0]]]
        >>> mean = [[[0.5, 0.0]], [[1.5, 0.0]]]
        >>> unexplained_share([mean], [joints]).moving_share
        1.0
    """

    share: NDArray[np.float64]
    """(J,) spread of each joint about its best keypoint, relative to the joint's own spread."""
    keypoint: NDArray[np.int64]
    """(J,) index of the best keypoint of each joint."""
    moving: NDArray[np.bool_]
    """(J,) mask of the half of the joints that moves most."""

    @property
    def moving_share(self) -> float:
        """The mean share over the half of the joints that moves most."""
        return float(self.share[self.moving].mean())


def unexplained_share(
    keypoints: Sequence[ArrayLike],  # one (F, N, 2) array per video
    joints: Sequence[ArrayLike],  # one (F, J, 2) array per video, in the same coordinates
) -> UnexplainedShare:
    """Score keypoints against the true joints of videos of one body plan.

    The spread of a point is the square root of the variances of x and y, summed, over the frames
    of a video. The spread of a joint is that of its offset from the mean of all joints, so shared
    movement of the whole body does not count. Spreads are averaged over the videos before the best
    keypoint of a joint is chosen: the same keypoint must follow the joint in all of them.

    Args:
        keypoints: detected keypoints of each video, in the same order in all videos; arrays,
            tensors on any device, or nested lists.
        joints: true joints of each video, in the same order in all videos.

    Returns:
        Scores of the J joints, in units of their own spread; lower is better.

    Raises:
        ShapeError: the list is empty, or the numbers of videos or frames differ.

    Example:
        >>> joints = [[[0.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [3.0, 0.0]]]
        >>> keypoints = [[[9.0, 0.0], [1.5, 0.0]], [[9.0, 0.0], [3.5, 0.0]]]
        >>> unexplained_share([keypoints], [joints]).share.tolist()
        [0.0, 0.0]
    """
    if not keypoints or len(keypoints) != len(joints):
        raise ShapeError(
            f"expected equal numbers of videos, one or more: {len(keypoints)}, {len(joints)}"
        )
    apart, own = [], []
    for points, truth in zip(keypoints, joints, strict=True):
        found, true = as_float64(points, "keypoints"), as_float64(truth, "joints")
        if len(found) != len(true) or len(found) < 2:
            raise ShapeError(
                f"expected equal numbers of frames, two or more: {len(found)}, {len(true)}"
            )
        apart.append(_spread(found[:, :, None] - true[:, None]))  # (N, J)
        own.append(_spread(true - true.mean(1, keepdims=True)))  # (J,)
    distance, spread = np.mean(apart, axis=0), np.mean(own, axis=0)
    moving = np.zeros(len(spread), dtype=np.bool_)
    moving[np.argsort(-spread)[: (len(spread) + 1) // 2]] = True
    return UnexplainedShare(distance.min(0) / spread, distance.argmin(0), moving)


def _spread(
    offsets: NDArray[np.float64],  # (F, ..., 2)
) -> NDArray[np.float64]:  # (...)
    spread: NDArray[np.float64] = np.sqrt(offsets.var(0).sum(-1))
    return spread
