"""Bone consistency: whether a learned keypoint stays at one place of the body.

A bone is the segment between two joints. The nearest bone of a keypoint names its body part, and
the place along that bone says where on the part it is. A keypoint that means something has the same
nearest bone and place in all poses and identities.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpabmm_core.errors import ShapeError
from cpabmm_core.metrics.numbers import as_float64

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class NearestBones(NamedTuple):
    """Where each keypoint is on the body, in each frame of a video.

    Example:
        >>> nearest_bones([[[1.0, 2.0]]], [[[0.0, 0.0], [4.0, 0.0]]], [[0, 1]]).distance.tolist()
        [[0.5]]
    """

    bone: Integers
    """(F, N) index of the nearest bone; the first of equally near ones."""
    place: Floats
    """(F, N) place along that bone, from 0 (its first joint) to 1 (its second)."""
    distance: Floats
    """(F, N) distance from that bone, relative to the size of the body."""


class BoneConsistency(NamedTuple):
    """How steadily each keypoint keeps to one bone. All videos have equal weight.

    Example:
        >>> arm = [[[0.0, 0.0], [4.0, 0.0], [4.0, 3.0]]]
        >>> elbow = [[[3.0, 0.0]]]
        >>> bone_consistency([elbow], [arm], [[[0, 1], [1, 2]]]).share.tolist()
        [1.0]
    """

    bone: Integers
    """(N,) index of the bone that is nearest most often."""
    share: Floats
    """(N,) share of the frames in which that bone is the nearest; 1 is best."""
    spread: Floats
    """(N,) standard deviation of the place along that bone in these frames; 0 is best."""
    distance: Floats
    """(N,) mean distance from the nearest bone in all frames, relative to the body's size."""


def nearest_bones(
    keypoints: ArrayLike,  # (F, N, 2)
    joints: ArrayLike,  # (F, J, 2), in the same coordinates
    bones: ArrayLike,  # (B, 2) indices of joints
) -> NearestBones:
    """Find the nearest bone of each keypoint in each frame, and the place along it.

    The nearest point of the bone from a to b is a + t (b - a) with
    t = clip((p - a) . (b - a) / |b - a|^2, 0, 1) for a keypoint p. The size of the body is the
    diagonal of the box around its joints, averaged over the frames of the video.

    Args:
        keypoints: detected keypoints; an array, a tensor on any device, or nested lists.
        joints: true joints of the same frames.
        bones: first and second joint of each bone.

    Returns:
        Bone, place and distance of each keypoint in each frame.

    Raises:
        ShapeError: a shape does not fit, a joint index does not exist, a number is not finite, or
            all joints are in one place.

    Example:
        >>> arm = [[[0.0, 0.0], [4.0, 0.0], [4.0, 3.0]]]  # shoulder, elbow, wrist
        >>> found = nearest_bones([[[1.0, 0.5], [4.0, 1.5]]], arm, [[0, 1], [1, 2]])
        >>> found.bone.tolist(), found.place.tolist(), found.distance.tolist()
        ([[0, 1]], [[0.25, 0.5]], [[0.1, 0.0]])
    """
    points, true = _as_positions(keypoints, "keypoints"), _as_positions(joints, "joints")
    if len(points) != len(true):
        raise ShapeError(f"expected equal numbers of frames: {len(points)}, {len(true)}")
    pairs = _as_pairs(bones, true.shape[1])
    size = float(np.hypot(*np.moveaxis(np.ptp(true, axis=1), -1, 0)).mean())
    if size == 0:
        raise ShapeError("joints: all in one place; give the joints of a body")
    start, along = true[:, pairs[:, 0]], true[:, pairs[:, 1]] - true[:, pairs[:, 0]]  # (F, B, 2)
    offset = points[:, :, None] - start[:, None]  # (F, N, B, 2)
    length = np.square(along).sum(-1)[:, None]  # (F, 1, B), squared
    # A bone of no length is a point: any place on it is the same.
    projection = (offset * along[:, None]).sum(-1) / np.where(length > 0, length, 1)
    places = projection.clip(0, 1)
    apart = np.linalg.norm(offset - places[..., None] * along[:, None], axis=-1)
    nearest = apart.argmin(-1)
    chosen = nearest[..., None]
    return NearestBones(
        nearest,
        np.take_along_axis(places, chosen, -1)[..., 0],
        np.take_along_axis(apart, chosen, -1)[..., 0] / size,
    )


def bone_consistency(
    keypoints: Sequence[ArrayLike],  # one (F, N, 2) array per video
    joints: Sequence[ArrayLike],  # one (F, J, 2) array per video, in the same coordinates
    bones: Sequence[ArrayLike],  # one (B, 2) array per video
) -> BoneConsistency:
    """Score how steadily keypoints keep to one bone, over videos of one body plan.

    Args:
        keypoints: detected keypoints of each video, in the same order in all videos.
        joints: true joints of each video; their number and order may differ between videos.
        bones: first and second joint of each bone of each video; the same bones, in the same
            order, in all videos.

    Returns:
        Scores of the N keypoints. A video counts as much as any other, however long it is.

    Raises:
        ShapeError: the list is empty, the numbers of videos, keypoints or bones differ, or
            `nearest_bones` rejects a video.

    Example:
        >>> body = [[[0.0, 0.0], [4.0, 0.0], [4.0, 3.0]]] * 2
        >>> found = bone_consistency([[[[1.0, 0.0]], [[3.0, 0.0]]]], [body], [[[0, 1], [1, 2]]])
        >>> found.bone.tolist(), found.share.tolist(), found.spread.tolist()
        ([0], [1.0], [0.25])
    """
    if not keypoints or not len(keypoints) == len(joints) == len(bones):
        raise ShapeError(
            "expected equal numbers of videos, one or more: "
            f"{len(keypoints)}, {len(joints)}, {len(bones)}"
        )
    found = [nearest_bones(*video) for video in zip(keypoints, joints, bones, strict=True)]
    counts = {
        (part.bone.shape[1], len(as_float64(pairs, "bones")))
        for part, pairs in zip(found, bones, strict=True)
    }
    if len(counts) > 1:
        raise ShapeError("expected equal numbers of keypoints and bones in all videos")
    [(_, kinds)] = counts
    shares = np.mean(
        [(part.bone[..., None] == np.arange(kinds)).mean(0) for part in found], axis=0
    )  # (N, B)
    usual = shares.argmax(-1)
    weights = np.concatenate([(part.bone == usual) / len(part.bone) for part in found])
    places = np.concatenate([part.place for part in found])
    mean = np.average(places, axis=0, weights=weights)
    spread = np.sqrt(np.average(np.square(places - mean), axis=0, weights=weights))
    distance = np.mean([part.distance.mean(0) for part in found], axis=0)
    return BoneConsistency(usual, shares.max(-1), spread, distance)


def _as_positions(values: ArrayLike, name: str) -> Floats:
    positions = as_float64(values, name)
    if positions.ndim != 3 or positions.shape[-1] != 2 or not positions.size:
        raise ShapeError(f"{name}: expected (frames, points, 2): {positions.shape}")
    if not np.isfinite(positions).all():
        raise ShapeError(f"{name}: not all numbers are finite; leave out missing points")
    return positions


def _as_pairs(bones: ArrayLike, joints: int) -> Integers:
    given = as_float64(bones, "bones")
    if given.ndim != 2 or given.shape[1] != 2 or not given.size:
        raise ShapeError(f"bones: expected (bones, 2): {given.shape}")
    if not np.isin(given, np.arange(joints)).all():
        raise ShapeError(f"bones: expected indices of joints, from 0 to {joints - 1}")
    return given.astype(np.int64)
