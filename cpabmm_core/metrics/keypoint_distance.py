"""AKD and MKR: distance of detected keypoints, and share of missed ones."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpabmm_core.errors import DataError, ShapeError
from cpabmm_core.metrics.numbers import as_numbers

_MISSING = -1
"""What the field's files of body keypoints have for both coordinates of a missing one."""


@dataclass(frozen=True)
class KeypointDistance:
    """How far the keypoints of generated frames are from the real ones'."""

    akd: float
    """Average keypoint distance in pixels; NaN if no keypoint was found in both."""
    mkr: float
    """Missing keypoint rate, in [0, 1]."""


def average_keypoint_distance(
    real: ArrayLike,  # (F, J, 2) pixels; NaN, or -1 in both coordinates: missing
    generated: ArrayLike,  # (F, J, 2) pixels, likewise
) -> KeypointDistance:
    """Compare detected keypoints, as the field's evaluation scripts do.

    AKD is the mean absolute difference of the coordinates, over the keypoints found in both frames,
    then over the frames that have one. MKR is the share of the real frame's keypoints that are
    missing in the generated one, averaged over the frames that have one.

    Takes arrays, tensors on any device and nested lists; no gradient comes back.

    Raises:
        ShapeError: the shapes differ or are not (F, J, 2).
        DataError: the real frames have no keypoint.

    Example:
        >>> average_keypoint_distance([[[8, 8], [2, 5]]], [[[9, 11], [-1, -1]]])
        KeypointDistance(akd=2.0, mkr=0.5)
    """
    ours, theirs = as_numbers(real, "keypoints"), as_numbers(generated, "keypoints")
    if ours.shape != theirs.shape or ours.ndim != 3 or ours.shape[2] != 2:
        raise ShapeError(
            f"keypoints: expected (F, J, 2) twice, got {ours.shape} and {theirs.shape}"
        )
    found = _found(ours)
    found_in_both = found & _found(theirs)
    if not found.any():
        raise DataError("keypoints: the real frames have none, so there is nothing to compare with")
    rates = [
        1 - both[own].mean() for own, both in zip(found, found_in_both, strict=True) if own.any()
    ]
    distances = [
        np.abs(one[both] - other[both]).mean()
        for one, other, both in zip(ours, theirs, found_in_both, strict=True)
        if both.any()
    ]
    akd = float(np.mean(distances)) if distances else float("nan")
    return KeypointDistance(akd=akd, mkr=float(np.mean(rates)))


def _found(
    keypoints: NDArray[np.float64],  # (F, J, 2)
) -> NDArray[np.bool_]:  # (F, J)
    missing: NDArray[np.bool_] = np.isnan(keypoints).any(axis=2) | (keypoints == _MISSING).all(
        axis=2
    )
    return ~missing
