"""Whether keypoints stay on the body: the share of a joint's movement that none of them explains.

A keypoint that stays on one body part keeps its offset from the nearest joint while the body moves.
Keypoints learned without labels are scored by how much that offset varies, on videos whose true
joints are known.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class UnexplainedShare(NamedTuple):
    """Scores of the joints; 0 is best, a keypoint that moves with the body's mean scores 1."""

    share: Tensor
    """(J,) spread of a joint about the keypoint that follows it best, over its own spread."""
    keypoint: Tensor
    """(J,) int64: that keypoint."""
    moving: Tensor
    """(J,) bool: the half of the joints that moves most."""

    @property
    def moving_share(self) -> float:
        """Mean share of the half of the joints that moves most."""
        return float(self.share[self.moving].mean())


def unexplained_share(
    keypoints: Sequence[Tensor],  # a video each, (F, N, 2)
    joints: Sequence[Tensor],  # a video each, (F, J, 2), in the same coordinates
) -> UnexplainedShare:
    """Score keypoints against the true joints of videos of one body plan.

    The spread of a point is the root of the summed variances of x and y over the frames of a video.
    A joint's own spread is that of its offset from the mean of all joints, so that what the whole
    body does together counts for nothing. Spreads are averaged over the videos before the best
    keypoint is chosen: it has to be the same one in all of them.

    Args:
        keypoints: detected in each frame, in the same order in all videos.
        joints: true positions, in the same order in all videos.

    Raises:
        ValueError: no video, or videos and joints that do not belong together.
    """
    if not keypoints or len(keypoints) != len(joints):
        raise ValueError(f"expected as many videos, got {len(keypoints)} and {len(joints)}")
    apart, own = [], []
    for points, truth in zip(keypoints, joints, strict=True):
        if len(points) != len(truth) or len(points) < 2:
            raise ValueError(f"expected as many frames, 2 or more: {len(points)}, {len(truth)}")
        apart.append(_spread(points[:, :, None] - truth[:, None]))  # (N, J)
        own.append(_spread(truth - truth.mean(1, keepdim=True)))  # (J,)
    best, keypoint = torch.stack(apart).mean(0).min(0)
    spread = torch.stack(own).mean(0)
    share = best / spread
    moving = torch.zeros_like(spread, dtype=torch.bool)
    moving[spread.argsort(descending=True)[: (len(spread) + 1) // 2]] = True
    return UnexplainedShare(share, keypoint, moving)


def _spread(
    offsets: Tensor,  # (F, ..., 2)
) -> Tensor:  # (...)
    return offsets.var(0, correction=0).sum(-1).sqrt()
