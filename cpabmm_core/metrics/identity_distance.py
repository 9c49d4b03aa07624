"""AED: distance of identity embeddings."""

import numpy as np
from numpy.typing import ArrayLike

from cpabmm_core.errors import DataError, ShapeError
from cpabmm_core.metrics.numbers import as_numbers


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
    if ours.shape != theirs.shape or ours.ndim != 2 or not ours.size:
        raise ShapeError(f"embeddings: expected (F, D) twice, got {ours.shape} and {theirs.shape}")
    squares = np.square(ours - theirs).sum(axis=1)
    if not np.isfinite(squares).all():
        raise DataError("embeddings: hold NaN or infinity; leave frames without an identity out")
    return float(squares.mean())
