import math

import numpy as np
import pytest
from scipy import stats

from cpabmm_core.metrics.bootstrap import interval

RANDOM = np.random.default_rng(5)


def test_equal_to_that_of_scipy_with_the_same_generator() -> None:
    values = RANDOM.normal(3, 1, 20)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=1000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    found = interval(values.tolist(), [1] * 20)
    assert found is not None
    assert found == pytest.approx(tuple(expected), rel=1e-12)


def test_near_the_normal_interval_of_a_mean() -> None:
    """For many values the percentiles are those of the normal distribution of the mean."""
    values = RANDOM.normal(0, 2, 2000)
    error = 1.96 * values.std() / math.sqrt(len(values))
    found = interval(values.tolist(), [1] * len(values))
    assert found is not None
    np.testing.assert_allclose(
        found, (values.mean() - error, values.mean() + error), atol=0.1 * error
    )


def test_a_long_video_counts_for_more() -> None:
    """Of two videos a resample holds both, or one of them twice: a quarter of them each."""
    assert interval([1.0, 30.0], [1, 10]) == (1.0, 3.0)


def test_equal_videos_have_no_width() -> None:
    assert interval([2.0, 6.0, 4.0], [1, 3, 2]) == (2.0, 2.0)


def test_videos_that_do_not_count_are_no_nan() -> None:
    found = interval([1.0, 0.0, 3.0, 0.0], [1, 0, 1, 0])
    assert found == (1.0, 3.0)


@pytest.mark.parametrize(
    ("totals", "counts"),
    [([1.0], [1]), ([1.0, 0.0], [2, 0]), ([], []), ([1.0, math.inf], [1, 1])],
    ids=["one video", "one that counts", "none", "an infinite PSNR"],
)
def test_no_interval(totals: list[float], counts: list[int]) -> None:
    assert interval(totals, counts) is None


def test_a_set_has_one_interval() -> None:
    values = RANDOM.normal(0, 1, 9).tolist()
    assert interval(values, [1] * 9) == interval(values, [1] * 9)
