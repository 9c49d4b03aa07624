"""AED: squared distance of identity embeddings."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpabmm_core.errors import DataError, ShapeError
from cpabmm_core.metrics.numbers import as_float64
from cpabmm_core.metrics.video_metric import Detections, Tally, VideoSums


def average_euclidean_distance(
    real: ArrayLike,  # (F, D)
    generated: ArrayLike,  # (F, D)
) -> float:
    """Compute AED, the mean over frames of the *squared* Euclidean distance of embeddings.

    The square follows the field's evaluation scripts. Gradients are not propagated.

    Args:
        real: embeddings of the real frames; an array, a tensor on any device, or nested lists.
        generated: embeddings of the generated frames.

    Returns:
        AED, 0 or more; lower is better. The unit depends on the embedding.

    Raises:
        ShapeError: the shapes differ or are not (F, D).
        DataError: a value is not finite.

    Example:
        >>> average_euclidean_distance([[0.0, 0.0]], [[3.0, 4.0]])
        25.0
    """
    ours, theirs = as_float64(real, "embeddings"), as_float64(generated, "embeddings")
    _check(ours, theirs)
    squares = _squared_distances(ours, theirs)
    if not np.isfinite(squares).all():
        raise DataError("embeddings: contain NaN or infinity; drop frames without an identity")
    return math.fsum(squares) / len(squares)


class IdentitySums:
    """Accumulate ``aed`` of a video in chunks, as `average_euclidean_distance` defines it.

    A frame counts only if the real and the generated frame both have a subject.
    """

    def __init__(self) -> None:
        self._squares: list[float] = []
        self._real = self._generated = 0

    def add(
        self,
        real: NDArray[np.float64],  # (F, D), a row of NaN where a frame has no subject
        generated: NDArray[np.float64],  # (F, D), likewise
    ) -> None:
        """Add the embeddings of the next frames.

        Raises:
            ShapeError: the shapes differ or are not (F, D).
        """
        _check(real, generated)
        in_real, in_generated = (np.isfinite(values).all(axis=1) for values in (real, generated))
        both = in_real & in_generated
        self._squares += _squared_distances(real[both], generated[both]).tolist()
        self._real += int(in_real.sum())
        self._generated += int(in_generated.sum())

    def compute(self) -> VideoSums:
        """Return the sum over the frames with an identity in both videos."""
        return VideoSums(
            {"aed": Tally(math.fsum(self._squares), len(self._squares))},
            {"identity": Detections(self._real, self._generated)},
        )


def _check(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> None:
    if ours.shape != theirs.shape or ours.ndim != 2 or not ours.size:
        raise ShapeError(f"embeddings: expected (F, D) twice, got {ours.shape} and {theirs.shape}")


def _squared_distances(
    ours: NDArray[np.float64],  # (F, D)
    theirs: NDArray[np.float64],  # (F, D)
) -> NDArray[np.float64]:  # (F,)
    squares: NDArray[np.float64] = np.square(ours - theirs).sum(axis=1)
    return squares
