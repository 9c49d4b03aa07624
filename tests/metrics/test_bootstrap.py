import math

import numpy as np
import pytest
from scipy import stats

from cpabmm_core.metrics.bootstrap import confidence_interval

RANDOM = np.random.default_rng(5)


def test_agrees_with_scipy_for_the_same_generator() -> None:
    values = RANDOM.normal(3, 1, 20)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=1000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    found = confidence_interval(values.tolist(), [1] * 20)
    assert found is not None
    assert found == pytest.approx(tuple(expected), rel=1e-12)


def test_approaches_the_normal_interval_of_a_mean() -> None:
    """The mean of many values is normally distributed."""
    values = RANDOM.normal(0, 2, 2000)
    error = 1.96 * values.std() / math.sqrt(len(values))
    found = confidence_interval(values.tolist(), [1] * len(values))
    assert found is not None
    np.testing.assert_allclose(
        found, (values.mean() - error, values.mean() + error), atol=0.1 * error
    )


def test_a_long_video_has_a_larger_weight() -> None:
    """A resample of two videos contains one of them twice with probability 1/4 each."""
    assert confidence_interval([1.0, 30.0], [1, 10]) == (1.0, 3.0)


def test_equal_videos_give_an_interval_of_zero_width() -> None:
    assert confidence_interval([2.0, 6.0, 4.0], [1, 3, 2]) == (2.0, 2.0)


def test_videos_without_values_do_not_cause_nan() -> None:
    found = confidence_interval([1.0, 0.0, 3.0, 0.0], [1, 0, 1, 0])
    assert found == (1.0, 3.0)


@pytest.mark.parametrize(
    ("totals", "counts"),
    [([1.0], [1]), ([1.0, 0.0], [2, 0]), ([], []), ([1.0, math.inf], [1, 1])],
    ids=["one video", "one video with a value", "no video", "infinite PSNR"],
)
def test_the_interval_is_undefined(totals: list[float], counts: list[int]) -> None:
    assert confidence_interval(totals, counts) is None


def test_the_interval_is_deterministic() -> None:
    values = RANDOM.normal(0, 1, 9).tolist()
    assert confidence_interval(values, [1] * 9) == confidence_interval(values, [1] * 9)
