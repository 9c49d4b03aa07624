"""AKD and MKR: distance of detected keypoints, and share of missed ones."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpabmm_core.errors import DataError, ShapeError
from cpabmm_core.metrics.numbers import as_numbers
from cpabmm_core.metrics.video_metric import Found, Tally, VideoSums

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
    _check(ours, theirs)
    distances, rates = _of_frames(ours, theirs)
    if not len(rates):
        raise DataError("keypoints: the real frames have none, so there is nothing to compare with")
    akd = math.fsum(distances) / len(distances) if len(distances) else math.nan
    return KeypointDistance(akd=akd, mkr=math.fsum(rates) / len(rates))


class KeypointSums:
    """``akd`` and ``mkr`` of a video in parts: `average_keypoint_distance` of the whole."""

    def __init__(self) -> None:
        self._distances: list[float] = []
        self._rates: list[float] = []
        self._real = self._generated = 0

    def add(
        self,
        real: NDArray[np.float64],  # (F, J, 2) pixels; NaN, or -1 in both coordinates: missing
        generated: NDArray[np.float64],  # (F, J, 2) pixels, likewise
    ) -> None:
        """Take the keypoints of the next frames.

        Raises:
            ShapeError: the shapes differ or are not (F, J, 2).
        """
        _check(real, generated)
        distances, rates = _of_frames(real, generated)
        self._distances += distances.tolist()
        self._rates += rates.tolist()
        self._real += int(_found(real).any(axis=1).sum())
        self._generated += int(_found(generated).any(axis=1).sum())

    def compute(self) -> VideoSums:
        """The sums over the frames that have a figure."""
        values = {"akd": self._distances, "mkr": self._rates}
        return VideoSums(
            {key: Tally(math.fsum(of_frames), len(of_frames)) for key, of_frames in values.items()},
            {"keypoints": Found(self._real, self._generated)},
        )


def _check(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> None:
    if ours.shape != theirs.shape or ours.ndim != 3 or ours.shape[2] != 2:
        raise ShapeError(
            f"keypoints: expected (F, J, 2) twice, got {ours.shape} and {theirs.shape}"
        )


def _of_frames(
    ours: NDArray[np.float64],  # (F, J, 2)
    theirs: NDArray[np.float64],  # (F, J, 2)
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """AKD of the frames with a keypoint in both, MKR of the frames with a real one."""
    found = _found(ours)
    both = found & _found(theirs)
    differences = np.where(both[..., None], np.abs(ours - theirs), 0).sum(axis=(1, 2))
    in_both, in_real = both.sum(axis=1), found.sum(axis=1)
    measured, known = in_both > 0, in_real > 0
    distances = differences[measured] / (2 * in_both[measured])
    return distances, 1 - in_both[known] / in_real[known]


def _found(
    keypoints: NDArray[np.float64],  # (F, J, 2)
) -> NDArray[np.bool_]:  # (F, J)
    missing: NDArray[np.bool_] = np.isnan(keypoints).any(axis=2) | (keypoints == _MISSING).all(
        axis=2
    )
    return ~missing
