"""Bootstrap confidence intervals over videos."""

from collections.abc import Sequence

import numpy as np

_RESAMPLES = 1000
_PERCENTILES = (2.5, 97.5)
_CHUNK = 100
_SEED = 0


def confidence_interval(
    totals: Sequence[float],  # one sum per video
    counts: Sequence[int],  # number of terms in each sum
) -> tuple[float, float] | None:
    """Return the 95% percentile bootstrap interval of ``sum(totals) / sum(counts)``.

    Whole videos are resampled with replacement, because errors of frames within a video are
    correlated. The seed is fixed: equal input gives equal intervals.

    Args:
        totals: sum of the values of each video.
        counts: number of values in each sum.

    Returns:
        Lower and upper bound of 1,000 resamples; None if fewer than two videos have a value or a
        sum is not finite.

    Example:
        >>> confidence_interval([1.0, 1.0, 1.0], [2, 2, 2])
        (0.5, 0.5)
    """
    sums, weights = np.asarray(totals, np.float64), np.asarray(counts, np.float64)
    if np.count_nonzero(weights) < 2 or not np.isfinite(sums).all():
        return None
    random = np.random.default_rng(_SEED)
    means = []
    for _ in range(0, _RESAMPLES, _CHUNK):
        indices = random.integers(0, len(sums), (_CHUNK, len(sums)))
        with np.errstate(invalid="ignore"):  # a resample may contain no video with a value
            means.append(sums[indices].sum(axis=1) / weights[indices].sum(axis=1))
    low, high = np.nanpercentile(np.concatenate(means), _PERCENTILES)
    return float(low), float(high)
