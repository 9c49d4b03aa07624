"""Figures as a page shows them: digits, order from the worst, histograms."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cpabmm_core.metrics.results import MEASURES, Measure, VideoResult

_MOST_BARS = 24
_FEWEST_BARS = 5


@dataclass(frozen=True)
class Bar:
    """A bar of a histogram; all lengths as shares of the drawing's, from its lower left."""

    left: float
    width: float
    height: float
    label: str


@dataclass(frozen=True)
class Histogram:
    """How the videos' values of a measure spread."""

    measure: Measure
    low: str
    high: str
    most: int
    """Videos in the highest bar."""
    bars: Sequence[Bar]


def known(value: float | None) -> float | None:
    """The value, or None where it is none: neither NaN nor infinity can be compared or drawn."""
    return value if value is not None and math.isfinite(value) else None


def shown(value: float | None, measure: Measure) -> str:
    """The value with the measure's digits, or a dash."""
    number = known(value)
    return "\N{EN DASH}" if number is None else f"{number:.{measure.digits}f}"


def measured(videos: Sequence[VideoResult]) -> list[Measure]:
    """The measures that at least one video has a value of, and the first of all in any case."""
    return [
        measure
        for measure in MEASURES
        if measure is MEASURES[0]
        or any(known(video.values.get(measure.key)) is not None for video in videos)
    ]


def worst_first(videos: Sequence[VideoResult], measure: Measure) -> list[int]:
    """Numbers of the videos in the order of a measure, those without a value last."""
    sign = -1.0 if measure.better == "lower" else 1.0

    def rank(index: int) -> tuple[bool, float]:
        value = known(videos[index].values.get(measure.key))
        return (True, 0.0) if value is None else (False, sign * value)

    return sorted(range(len(videos)), key=rank)


def histogram(videos: Sequence[VideoResult], measure: Measure) -> Histogram | None:
    """The spread of a measure; None where fewer than two values differ."""
    values = [
        value for video in videos if (value := known(video.values.get(measure.key))) is not None
    ]
    if not values or min(values) == max(values):
        return None
    bins = min(_MOST_BARS, max(_FEWEST_BARS, math.ceil(2 * len(values) ** (1 / 3))))
    counts, edges = np.histogram(values, bins)
    most = int(counts.max())
    bars = [
        Bar(
            left=number / bins,
            width=1 / bins,
            height=int(count) / most,
            label=f"{shown(left, measure)} to {shown(right, measure)}: {_videos(int(count))}",
        )
        for number, (count, left, right) in enumerate(
            zip(counts, edges[:-1].tolist(), edges[1:].tolist(), strict=True)
        )
    ]
    low, high = shown(float(edges[0]), measure), shown(float(edges[-1]), measure)
    return Histogram(measure, low, high, most, bars)


def _videos(count: int) -> str:
    return "1 video" if count == 1 else f"{count} videos"
