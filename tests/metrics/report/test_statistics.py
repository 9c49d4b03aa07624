import math

import numpy as np
import pytest

from cpabmm_core.metrics.metric_info import METRICS
from cpabmm_core.metrics.report.statistics import (
    build_histogram,
    format_value,
    metrics_with_values,
    rank_worst_first,
)
from cpabmm_core.metrics.results import VideoResult

DASH = "\N{EN DASH}"
BY_KEY = {metric.key: metric for metric in METRICS}


def videos(key: str, *values: float | None) -> list[VideoResult]:
    return [VideoResult(str(number), 1, {key: value}) for number, value in enumerate(values)]


@pytest.mark.parametrize(("key", "order"), [("l1", [2, 0, 1, 3, 4]), ("psnr", [1, 0, 2, 3, 4])])
def test_ranks_worst_first_and_missing_values_last(key: str, order: list[int]) -> None:
    assert rank_worst_first(videos(key, 0.5, 0.25, 1.0, None, math.nan), BY_KEY[key]) == order


@pytest.mark.parametrize(
    ("value", "text"), [(0.1234567, "0.12346"), (0.0, "0.00000"), (None, DASH), (math.nan, DASH)]
)
def test_values_have_the_digits_of_their_metric(value: float | None, text: str) -> None:
    assert format_value(value, BY_KEY["l1"]) == text


def test_columns_are_the_metrics_with_a_value_in_some_video() -> None:
    found = metrics_with_values(
        [*videos("psnr", None), *videos("aed", 1.0), *videos("lpips", math.inf)]
    )
    assert [metric.key for metric in found] == ["l1", "aed"]


def test_bars_count_the_videos() -> None:
    values = np.random.default_rng(0).normal(3, 1, 200)
    found = build_histogram(videos("l1", None, *values.tolist()), BY_KEY["l1"])
    assert found is not None
    assert sum(bar.height * found.most for bar in found.bars) == pytest.approx(200)
    assert sum(bar.width for bar in found.bars) == pytest.approx(1)
    edges = [values.min() + bar.left * np.ptp(values) for bar in found.bars]
    for bar, low, high in zip(found.bars, edges, [*edges[1:], values.max() + 1], strict=True):
        count = int(((values >= low - 1e-12) & (values < high - 1e-12)).sum())
        assert bar.height * found.most == pytest.approx(count)
        assert bar.label.endswith(f": {count} videos" if count != 1 else ": 1 video")
    assert (found.low, found.high) == (f"{values.min():.5f}", f"{values.max():.5f}")


@pytest.mark.parametrize("values", [(), (1.0,), (1.0, 1.0), (None, 2.0)])
def test_a_single_value_has_no_histogram(values: tuple[float | None, ...]) -> None:
    assert build_histogram(videos("l1", *values), BY_KEY["l1"]) is None
