"""AKD and MKR: distance of detected keypoints, and rate of missing ones."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpabmm_core.errors import DataError, ShapeError
from cpabmm_core.metrics.numbers import as_float64
from cpabmm_core.metrics.video_metric import Detections, Tally, VideoSums

_MISSING = -1
"""Value of both coordinates of a missing keypoint in the field's files of body keypoints."""


@dataclass(frozen=True)
class KeypointDistance:
    """AKD and MKR of generated frames.

    Example:
        >>> average_keypoint_distance([[[8, 8]]], [[[9, 11]]]).akd
        2.0
    """

    akd: float
    """Average keypoint distance in pixels; NaN if no keypoint was found in both frames."""
    mkr: float
    """Missing keypoint rate, in [0, 1]."""


def average_keypoint_distance(
    real: ArrayLike,  # (F, J, 2) pixels; NaN, or -1 in both coordinates: missing
    generated: ArrayLike,  # (F, J, 2) pixels, likewise
) -> KeypointDistance:
    """Compute AKD and MKR as the field's evaluation scripts do.

    AKD is the mean absolute difference of the coordinates, first over the keypoints found in both
    frames, then over the frames that have such a keypoint. MKR is the share of the real frame's
    keypoints that are missing in the generated frame, averaged over the frames with a real
    keypoint. Gradients are not propagated.

    Args:
        real: keypoints of the real frames; an array, a tensor on any device, or nested lists.
        generated: keypoints of the generated frames.

    Returns:
        AKD in pixels and MKR in [0, 1]; lower is better for both.

    Raises:
        ShapeError: the shapes differ or are not (F, J, 2).
        DataError: the real frames have no keypoint.

    Example:
        >>> average_keypoint_distance([[[8, 8], [2, 5]]], [[[9, 11], [-1, -1]]])
        KeypointDistance(akd=2.0, mkr=0.5)
    """
    ours, theirs = as_float64(real, "keypoints"), as_float64(generated, "keypoints")
    _check(ours, theirs)
    distances, rates = _per_frame(ours, theirs)
    if not len(rates):
        raise DataError("keypoints: the real frames have none; check the extractor or the file")
    akd = math.fsum(distances) / len(distances) if len(distances) else math.nan
    return KeypointDistance(akd=akd, mkr=math.fsum(rates) / len(rates))


class KeypointSums:
    """Accumulate ``akd`` and ``mkr`` of a video in chunks, as in `average_keypoint_distance`."""

    def __init__(self) -> None:
        self._distances: list[float] = []
        self._rates: list[float] = []
        self._real = self._generated = 0

    def add(
        self,
        real: NDArray[np.float64],  # (F, J, 2) pixels; NaN, or -1 in both coordinates: missing
        generated: NDArray[np.float64],  # (F, J, 2) pixels, likewise
    ) -> None:
        """Add the keypoints of the next frames.

        Raises:
            ShapeError: the shapes differ or are not (F, J, 2).
        """
        _check(real, generated)
        distances, rates = _per_frame(real, generated)
        self._distances += distances.tolist()
        self._rates += rates.tolist()
        self._real += int(_is_found(real).any(axis=1).sum())
        self._generated += int(_is_found(generated).any(axis=1).sum())

    def compute(self) -> VideoSums:
        """Return the sums over the frames that have a value."""
        values = {"akd": self._distances, "mkr": self._rates}
        return VideoSums(
            {key: Tally(math.fsum(per_frame), len(per_frame)) for key, per_frame in values.items()},
            {"keypoints": Detections(self._real, self._generated)},
        )


def _check(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> None:
    if ours.shape != theirs.shape or ours.ndim != 3 or ours.shape[2] != 2:
        raise ShapeError(
            f"keypoints: expected (F, J, 2) twice, got {ours.shape} and {theirs.shape}"
        )


def _per_frame(
    ours: NDArray[np.float64],  # (F, J, 2)
    theirs: NDArray[np.float64],  # (F, J, 2)
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return AKD of the frames with a keypoint in both, and MKR of those with a real keypoint."""
    found = _is_found(ours)
    both = found & _is_found(theirs)
    differences = np.where(both[..., None], np.abs(ours - theirs), 0).sum(axis=(1, 2))
    in_both, in_real = both.sum(axis=1), found.sum(axis=1)
    has_distance, has_rate = in_both > 0, in_real > 0
    distances = differences[has_distance] / (2 * in_both[has_distance])
    return distances, 1 - in_both[has_rate] / in_real[has_rate]


def _is_found(
    keypoints: NDArray[np.float64],  # (F, J, 2)
) -> NDArray[np.bool_]:  # (F, J)
    missing: NDArray[np.bool_] = np.isnan(keypoints).any(axis=2) | (keypoints == _MISSING).all(
        axis=2
    )
    return ~missing
