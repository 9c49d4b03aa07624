"""Bone coverage: how much of the time keypoints are on each bone of the body."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpabmm_core.errors import ShapeError
from cpabmm_core.metrics.bone_consistency import nearest_bones
from cpabmm_core.metrics.numbers import as_float64


def bone_coverage(
    keypoints: ArrayLike,  # (F, N, 2)
    joints: ArrayLike,  # (F, J, 2), in the same coordinates
    bones: ArrayLike,  # (B, 2) indices of joints
    *,
    reach: float = 0.05,
) -> NDArray[np.float64]:  # (B,) in [0, 1]
    """Measure in which share of the frames of a video keypoints are on each bone.

    A keypoint is on its nearest bone if it is not further from it than `reach`. A bone without
    keypoints moves as its neighbours do, so a model cannot follow it.

    Args:
        keypoints: detected keypoints; an array, a tensor on any device, or nested lists.
        joints: true joints of the same frames.
        bones: first and second joint of each bone.
        reach: largest distance of a keypoint from its bone, relative to the body's size, which is
            the diagonal of the box around its joints, averaged over the frames. The default is
            about the half width of a limb.

    Returns:
        Shares of the frames in which at least one keypoint is on the bone; 1 is best.

    Raises:
        ShapeError: `nearest_bones` rejects the video, or `reach` is negative.

    Example:
        >>> arm = [[[0.0, 0.0], [4.0, 0.0], [4.0, 3.0]]] * 2  # shoulder, elbow, wrist
        >>> bone_coverage([[[1.0, 0.1]], [[3.0, 0.0]]], arm, [[0, 1], [1, 2]]).tolist()
        [1.0, 0.0]
    """
    if not reach >= 0:
        raise ShapeError(f"reach: expected a number of 0 or more: {reach}")
    found = nearest_bones(keypoints, joints, bones)
    kinds = np.arange(len(as_float64(bones, "bones")))
    on = (found.distance <= reach)[..., None] & (found.bone[..., None] == kinds)  # (F, N, B)
    covered: NDArray[np.float64] = on.any(1).mean(0)
    return covered
