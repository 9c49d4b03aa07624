"""AED: distance of identity embeddings."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpabmm_core.errors import DataError, ShapeError
from cpabmm_core.metrics.numbers import as_numbers
from cpabmm_core.metrics.video_metric import Found, Tally, VideoSums


def average_euclidean_distance(
    real: ArrayLike,  # (F, D)
    generated: ArrayLike,  # (F, D)
) -> float:
    """Mean over frames of the *squared* Euclidean distance, as the field's scripts compute it.

    Takes arrays, tensors on any device and nested lists; no gradient comes back.

    Raises:
        ShapeError: the shapes differ or are not (F, D).
        DataError: a number is not finite.

    Example:
        >>> average_euclidean_distance([[0.0, 0.0]], [[3.0, 4.0]])
        25.0
    """
    ours, theirs = as_numbers(real, "embeddings"), as_numbers(generated, "embeddings")
    _check(ours, theirs)
    squares = _of_frames(ours, theirs)
    if not np.isfinite(squares).all():
        raise DataError("embeddings: hold NaN or infinity; leave frames without an identity out")
    return math.fsum(squares) / len(squares)


class IdentitySums:
    """``aed`` of a video in parts: `average_euclidean_distance` of the whole.

    Frames in which there is no subject, real or generated, do not count.
    """

    def __init__(self) -> None:
        self._squares: list[float] = []
        self._real = self._generated = 0

    def add(
        self,
        real: NDArray[np.float64],  # (F, D), a row of NaN where there is no subject
        generated: NDArray[np.float64],  # (F, D), likewise
    ) -> None:
        """Take the embeddings of the next frames.

        Raises:
            ShapeError: the shapes differ or are not (F, D).
        """
        _check(real, generated)
        in_real, in_generated = (np.isfinite(side).all(axis=1) for side in (real, generated))
        both = in_real & in_generated
        self._squares += _of_frames(real[both], generated[both]).tolist()
        self._real += int(in_real.sum())
        self._generated += int(in_generated.sum())

    def compute(self) -> VideoSums:
        """The sum over the frames with an identity in both."""
        return VideoSums(
            {"aed": Tally(math.fsum(self._squares), len(self._squares))},
            {"identity": Found(self._real, self._generated)},
        )


def _check(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> None:
    if ours.shape != theirs.shape or ours.ndim != 2 or not ours.size:
        raise ShapeError(f"embeddings: expected (F, D) twice, got {ours.shape} and {theirs.shape}")


def _of_frames(
    ours: NDArray[np.float64],  # (F, D)
    theirs: NDArray[np.float64],  # (F, D)
) -> NDArray[np.float64]:  # (F,)
    squares: NDArray[np.float64] = np.square(ours - theirs).sum(axis=1)
    return squares
