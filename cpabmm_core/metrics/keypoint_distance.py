"""AKD and MKR: distance of detected keypoints, and share of missed ones."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.errors import DataError


@dataclass(frozen=True)
class KeypointDistance:
    """How far the keypoints of generated frames are from the real ones'."""

    akd: float
    """Average keypoint distance in pixels; NaN if no keypoint was found in both."""
    mkr: float
    """Missing keypoint rate, in [0, 1]."""


def average_keypoint_distance(
    real: NDArray[np.floating],  # (F, J, 2) pixels, NaN = missing
    generated: NDArray[np.floating],  # (F, J, 2) pixels, NaN = missing
) -> KeypointDistance:
    """Compare detected keypoints, as the field's evaluation scripts do.

    AKD is the mean absolute difference of the coordinates, over the keypoints found in both frames,
    then over the frames that have one. MKR is the share of the real frame's keypoints that are
    missing in the generated one, averaged over the frames that have one.

    Raises:
        DataError: the shapes differ or are not (F, J, 2), or the real frames have no keypoint.
    """
    if real.shape != generated.shape or real.ndim != 3 or real.shape[2] != 2:
        raise DataError(
            f"keypoints: expected (F, J, 2) twice, got {real.shape} and {generated.shape}"
        )
    found = ~np.isnan(real).any(axis=2)
    found_in_both = found & ~np.isnan(generated).any(axis=2)
    if not found.any():
        raise DataError("keypoints: the real frames have none, so there is nothing to compare with")
    rates = [
        1 - both[own].mean() for own, both in zip(found, found_in_both, strict=True) if own.any()
    ]
    distances = [
        np.abs(one[both] - other[both]).mean()
        for one, other, both in zip(real, generated, found_in_both, strict=True)
        if both.any()
    ]
    akd = float(np.mean(distances)) if distances else float("nan")
    return KeypointDistance(akd=akd, mkr=float(np.mean(rates)))
