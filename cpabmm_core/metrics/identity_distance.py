"""AED: distance of identity embeddings."""

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.errors import DataError


def average_euclidean_distance(
    real: NDArray[np.floating],  # (F, D)
    generated: NDArray[np.floating],  # (F, D)
) -> float:
    """Mean over frames of the *squared* Euclidean distance, as the field's scripts compute it.

    Raises:
        DataError: the shapes differ or are not (F, D), or a number is not finite.
    """
    if real.shape != generated.shape or real.ndim != 2 or not real.size:
        raise DataError(
            f"embeddings: expected (F, D) twice, got {real.shape} and {generated.shape}"
        )
    squares = np.square(np.subtract(real, generated, dtype=np.float64)).sum(axis=1)
    if not np.isfinite(squares).all():
        raise DataError("embeddings: hold NaN or infinity; leave frames without an identity out")
    return float(squares.mean())
