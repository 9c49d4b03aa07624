"""Bootstrap intervals of a mean over videos: how much it would vary with other videos."""

from collections.abc import Sequence

import numpy as np

_RESAMPLES = 1000
_PERCENTILES = (2.5, 97.5)
_AT_ONCE = 100
_SEED = 0


def interval(
    totals: Sequence[float],  # of the videos
    counts: Sequence[int],  # what each total is the sum of
) -> tuple[float, float] | None:
    """95% interval of sum(totals) / sum(counts), by the percentiles of 1,000 resamples.

    Videos are drawn with replacement, always in the same way, so that a set has one interval.

    Returns:
        None if fewer than two videos count, or a total is infinite.

    Example:
        >>> interval([1.0, 1.0, 1.0], [2, 2, 2])
        (0.5, 0.5)
    """
    sums, weights = np.asarray(totals, np.float64), np.asarray(counts, np.float64)
    if np.count_nonzero(weights) < 2 or not np.isfinite(sums).all():
        return None
    random = np.random.default_rng(_SEED)
    means = []
    for _ in range(0, _RESAMPLES, _AT_ONCE):
        drawn = random.integers(0, len(sums), (_AT_ONCE, len(sums)))
        with np.errstate(invalid="ignore"):  # a resample may hold none that counts
            means.append(sums[drawn].sum(axis=1) / weights[drawn].sum(axis=1))
    low, high = np.nanpercentile(np.concatenate(means), _PERCENTILES)
    return float(low), float(high)
