"""Bootstrap intervals over videos and seeds, of values and of paired differences."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 2000
_PERCENTILES = (2.5, 97.5)
_SEED = 0

Array = NDArray[np.float64]


class Estimate(NamedTuple):
    """A value and its interval."""

    value: float
    low: float | None
    """Lower bound of the 95% interval; None if it is undefined."""
    high: float | None

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of 0."""
        return self.low is not None and self.high is not None and self.low * self.high > 0


@dataclass(frozen=True)
class Table:
    """A metric of one row: sums and numbers of terms, of each seed and video."""

    totals: Array  # (S, V)
    counts: Array  # (S, V)

    @property
    def value(self) -> float | None:
        """The mean over all terms, or None if there are none."""
        return float(self.totals.sum() / self.counts.sum()) if self.counts.sum() else None

    @property
    def is_resampled(self) -> bool:
        """Whether there are two videos or more with a value, the least for an interval."""
        return int(np.count_nonzero(self.counts.sum(axis=0))) > 1


def interval(table: Table) -> Estimate | None:
    """Return the mean of a metric with its 95% percentile bootstrap interval.

    Seeds and videos are resampled with replacement, independently of each other, because the runs
    of one seed share a model, and all seeds share the videos (a crossed, or pigeonhole, bootstrap;
    Owen, The pigeonhole bootstrap, 2007). With one seed this is the bootstrap over videos.
    """
    if table.value is None:
        return None
    if not table.is_resampled:
        return Estimate(table.value, None, None)
    return _estimate(table.value, _means(table, _resamples(table.totals.shape)))


def paired_difference(row: Table, baseline: Table) -> Estimate | None:
    """Return ``row - baseline`` with its interval; both have the same seeds and videos.

    Each resample takes the same seeds and videos of both, so that what makes a video or a seed
    difficult for both cancels.
    """
    if row.value is None or baseline.value is None:
        return None
    difference = row.value - baseline.value
    if not (row.is_resampled and baseline.is_resampled):
        return Estimate(difference, None, None)
    weights = _resamples(row.totals.shape)
    return _estimate(difference, _means(row, weights) - _means(baseline, weights))


def _resamples(shape: tuple[int, ...]) -> tuple[Array, Array]:  # (R, S), (R, V)
    """Return how often each seed and each video occurs in each resample."""
    random = np.random.default_rng(_SEED)
    weights = (
        random.multinomial(size, [1 / size] * size, _RESAMPLES).astype(np.float64) for size in shape
    )
    seeds, videos = weights
    return seeds, videos


def _means(table: Table, weights: tuple[Array, Array]) -> Array:  # (R,)
    """Return the mean of each resample; NaN where it has no term."""
    totals, counts = (
        np.einsum("rs,sv,rv->r", weights[0], values, weights[1])
        for values in (table.totals, table.counts)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        means: Array = np.where(counts > 0, totals / counts, np.nan)
    return means


def _estimate(value: float, means: Array) -> Estimate:
    low, high = np.nanpercentile(means, _PERCENTILES)
    return Estimate(value, float(low), float(high))
