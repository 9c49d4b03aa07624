"""Whether keypoints stay on the body: the share of a joint's movement that no keypoint explains.

A keypoint that stays on one body part keeps its offset from the nearest joint while the body moves.
Keypoints learned without labels are scored by how much that offset varies, on videos whose true
joints are known.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpabmm_core.errors import ShapeError
from cpabmm_core.metrics.numbers import as_numbers


class UnexplainedShare(NamedTuple):
    """Scores of the joints; 0 is best, a keypoint that moves with the body's mean scores 1."""

    share: NDArray[np.float64]
    """(J,) spread of a joint about the keypoint that follows it best, over its own spread."""
    keypoint: NDArray[np.int64]
    """(J,) number of that keypoint."""
    moving: NDArray[np.bool_]
    """(J,) the half of the joints that moves most."""

    @property
    def moving_share(self) -> float:
        """Mean share of the half of the joints that moves most."""
        return float(self.share[self.moving].mean())


def unexplained_share(
    keypoints: Sequence[ArrayLike],  # a video each, (F, N, 2)
    joints: Sequence[ArrayLike],  # a video each, (F, J, 2), in the same coordinates
) -> UnexplainedShare:
    """Score keypoints against the true joints of videos of one body plan.

    The spread of a point is the root of the summed variances of x and y over the frames of a video.
    A joint's own spread is that of its offset from the mean of all joints, so movement that the
    whole body shares does not count. Spreads are averaged over the videos before the best keypoint
    is chosen: it has to be the same one in all of them.

    Args:
        keypoints: detected in each frame, in the same order in all videos; arrays, tensors on any
            device or nested lists.
        joints: true positions, in the same order in all videos.

    Raises:
        ShapeError: no video, or videos and joints that do not belong together.
    """
    if not keypoints or len(keypoints) != len(joints):
        raise ShapeError(f"expected as many videos, got {len(keypoints)} and {len(joints)}")
    apart, own = [], []
    for points, truth in zip(keypoints, joints, strict=True):
        found, true = as_numbers(points, "keypoints"), as_numbers(truth, "joints")
        if len(found) != len(true) or len(found) < 2:
            raise ShapeError(f"expected as many frames, 2 or more: {len(found)}, {len(true)}")
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
