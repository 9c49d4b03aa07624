"""Values, rankings and histograms for the report."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cpabmm_core.metrics.metric_info import METRICS, MetricInfo
from cpabmm_core.metrics.results import VideoResult

_MAX_BARS = 24
_MIN_BARS = 5


@dataclass(frozen=True)
class Bar:
    """A bar of a histogram; lengths are shares of the plot, measured from its lower left."""

    left: float
    width: float
    height: float
    label: str


@dataclass(frozen=True)
class Histogram:
    """The distribution of a metric over the videos."""

    metric: MetricInfo
    low: str
    """The lowest value, as printed."""
    high: str
    """The highest value, as printed."""
    most: int
    """Number of videos in the highest bar."""
    bars: Sequence[Bar]


def finite_or_none(value: float | None) -> float | None:
    """Replace NaN and infinity, which cannot be ranked or plotted, by None."""
    return value if value is not None and math.isfinite(value) else None


def format_value(value: float | None, metric: MetricInfo) -> str:
    """Format a value with the digits of its metric; a dash if it is missing or not finite."""
    number = finite_or_none(value)
    return "\N{EN DASH}" if number is None else f"{number:.{metric.digits}f}"


def metrics_with_values(videos: Sequence[VideoResult]) -> list[MetricInfo]:
    """Return the metrics for which some video has a value, and always the first metric."""
    return [
        metric
        for metric in METRICS
        if metric is METRICS[0]
        or any(finite_or_none(video.values.get(metric.key)) is not None for video in videos)
    ]


def rank_worst_first(videos: Sequence[VideoResult], metric: MetricInfo) -> list[int]:
    """Return indices of the videos from worst to best; those without a value come last."""
    sign = -1.0 if metric.better == "lower" else 1.0

    def rank(index: int) -> tuple[bool, float]:
        value = finite_or_none(videos[index].values.get(metric.key))
        return (True, 0.0) if value is None else (False, sign * value)

    return sorted(range(len(videos)), key=rank)


def build_histogram(videos: Sequence[VideoResult], metric: MetricInfo) -> Histogram | None:
    """Compute the histogram of a metric; None if fewer than two values differ."""
    values = [
        value
        for video in videos
        if (value := finite_or_none(video.values.get(metric.key))) is not None
    ]
    if not values or min(values) == max(values):
        return None
    bins = min(_MAX_BARS, max(_MIN_BARS, math.ceil(2 * len(values) ** (1 / 3))))
    counts, edges = np.histogram(values, bins)
    most = int(counts.max())
    bars = [
        Bar(
            left=index / bins,
            width=1 / bins,
            height=int(count) / most,
            label=f"{format_value(left, metric)} to {format_value(right, metric)}: "
            f"{_count_videos(int(count))}",
        )
        for index, (count, left, right) in enumerate(
            zip(counts, edges[:-1].tolist(), edges[1:].tolist(), strict=True)
        )
    ]
    low, high = (format_value(float(edge), metric) for edge in (edges[0], edges[-1]))
    return Histogram(metric, low, high, most, bars)


def _count_videos(count: int) -> str:
    return "1 video" if count == 1 else f"{count} videos"
