import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from cpabmm_core.arrays import Array, Floats
from cpabmm_core.geometry import local_affine
from cpabmm_core.inference.smoothing import OneEuroFilter, PoseSmoother, smoothing_cutoff

_STEP = 1 / 25


def share(cutoff: float, elapsed: float) -> float:
    """Return alpha of the paper's equation 5, from the time constant tau of equation 6."""
    tau = 1 / (2 * math.pi * cutoff)
    return 1 / (1 + tau / elapsed)


def run(filter_: OneEuroFilter, values: Floats, times: Floats) -> Tensor:
    """Filter a signal of one number."""
    pairs = zip(torch.from_numpy(values)[:, None], times.tolist(), strict=True)
    return torch.cat([filter_.step(value, time) for value, time in pairs])


def paper(values: Floats, times: Floats, cutoff: float, beta: float) -> list[float]:
    """Restate Algorithm 1 of the paper with plain numbers."""
    filtered, derivative = [values[0]], 0.0
    for number in range(1, len(values)):
        elapsed = times[number] - times[number - 1]
        slope = (values[number] - filtered[-1]) / elapsed
        derivative += share(1.0, elapsed) * (slope - derivative)
        alpha = share(cutoff + beta * abs(derivative), elapsed)
        filtered.append(alpha * values[number] + (1 - alpha) * filtered[-1])
    return filtered


def uneven_times(count: int) -> Array:
    return np.cumsum(np.random.default_rng(0).uniform(0.01, 0.2, count))


@pytest.mark.parametrize("beta", [0.0, 0.7, 5.0])
def test_filter_agrees_with_the_paper(beta: float) -> None:
    times = uneven_times(100)
    values = np.sin(times) + 0.1 * np.random.default_rng(1).standard_normal(100)
    ours = run(OneEuroFilter(0.8, beta), values, times)
    np.testing.assert_allclose(ours, paper(values, times, 0.8, beta), rtol=0, atol=1e-12)


def test_a_constant_stays() -> None:
    times = uneven_times(20)
    assert torch.all(run(OneEuroFilter(0.5), np.full(20, 0.3), times) == 0.3)


def test_step_response_at_uneven_times_is_the_product_of_the_remainders() -> None:
    times = uneven_times(30)
    values = np.r_[0.0, np.ones(29)]
    remaining = np.cumprod([1 - share(1.5, elapsed) for elapsed in np.diff(times)])
    ours = run(OneEuroFilter(1.5, 0.0), values, times)
    np.testing.assert_allclose(ours, np.r_[0.0, 1 - remaining], rtol=0, atol=1e-12)


@pytest.mark.parametrize("frequency", [0.5, 2.0, 6.0, 12.5])
def test_attenuation_of_a_frequency_is_that_of_the_transfer_function(frequency: float) -> None:
    cutoff, alpha = 2.0, share(2.0, _STEP)
    times = np.arange(600) * _STEP
    phase = 2 * math.pi * frequency * times + 0.7
    filtered = run(OneEuroFilter(cutoff, 0.0), np.cos(phase), times).numpy()[200:]
    basis = np.stack((np.cos(phase[200:]), np.sin(phase[200:])), axis=1)
    amplitude = np.linalg.norm(np.linalg.lstsq(basis, filtered, rcond=None)[0])
    turn = np.exp(-2j * math.pi * frequency * _STEP)
    if frequency == 12.5:  # the highest one that frames can show: cosine and sine coincide
        amplitude = np.abs(filtered).max() / abs(math.cos(0.7))
    assert amplitude == pytest.approx(abs(alpha / (1 - (1 - alpha) * turn)), rel=1e-6)


def test_lag_at_fast_motion_is_smaller_than_that_of_a_low_pass_of_equal_jitter() -> None:
    noise = 0.002 * np.random.default_rng(0).standard_normal(4000)
    times = np.arange(4000) * _STEP
    cutoff = smoothing_cutoff(0.5)
    jitter = run(OneEuroFilter(cutoff), noise, times)[100:].std().item()
    # A low-pass filter of white noise leaves alpha / (2 - alpha) of its variance.
    kept = (jitter / noise[100:].std()) ** 2
    alpha = 2 * kept / (1 + kept)
    assert kept < 0.3

    speed = 2.0  # once across the frame in a second
    ramp = speed * times[:200]
    lag = (ramp - run(OneEuroFilter(cutoff), ramp, times[:200]).numpy())[-1] / speed
    plain_lag = (1 - alpha) / alpha * _STEP  # at its end, of a ramp
    assert plain_lag > 0.05
    assert 0 < lag < plain_lag / 3


def test_the_result_does_not_depend_on_the_axes() -> None:
    generator = torch.Generator().manual_seed(0)
    path = torch.randn(20, 3, 2, generator=generator, dtype=torch.float64).cumsum(0)
    cosine, sine = math.cos(0.6), math.sin(0.6)
    turn = torch.tensor([[cosine, -sine], [sine, cosine]], dtype=torch.float64)
    one, other = PoseSmoother(0.7), PoseSmoother(0.7)
    torch.testing.assert_close(other.step(path @ turn), one.step(path) @ turn)


def test_twice_the_frames_give_the_same_smoothness_in_seconds() -> None:
    """Because the filter uses true times, a video at 50 frames/s is smoothed like one at 25."""
    for smooth in (0.5, 1.0):
        few, many = (np.arange(0, 4, 1 / rate) for rate in (25, 50))
        ours = [
            run(OneEuroFilter(smoothing_cutoff(smooth)), np.tanh(3 * (times - 2)), times)
            for times in (few, many)
        ]
        lag = np.tanh(3 * (few - 2)) - ours[0].numpy()
        assert np.abs(ours[1][::2].numpy() - ours[0].numpy()).max() < 0.25 * np.abs(lag).max()


def test_smoothing_0_is_exactly_off() -> None:
    poses = torch.rand(5, 4, 6)
    smoother = PoseSmoother(0.0)
    assert smoother.step(poses, [0.0, 0.1, 0.2, 0.3, 0.4]) is poses


@pytest.mark.parametrize("quantity", ["positions", "jacobians"])
def test_more_smoothing_leaves_less_jitter(quantity: str) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(500, 4, 6, generator=generator, dtype=torch.float64)
    poses = torch.tensor([0.1, -0.2, 1.0, 0.0, 0.0, 1.0]).double() + 0.01 * noise
    select: Callable[[Tensor], Tensor] = getattr(local_affine, quantity)
    amounts = [0.0, 0.01, 0.1, 0.3, 0.5, 0.8, 1.0]
    left = [select(PoseSmoother(smooth).step(poses))[50:].std(0).mean() for smooth in amounts]
    assert all(less < more for more, less in pairwise(left))
    assert left[-1] < 0.4 * left[0]
    assert left[1] > 0.9 * left[0]  # the strength starts from nothing


def test_jacobians_of_any_size_are_smoothed_alike() -> None:
    generator = torch.Generator().manual_seed(0)
    matrices = torch.eye(2) + torch.randn(50, 3, 2, 2, generator=generator).cumsum(0) * 0.1
    points = torch.zeros(50, 3, 2)
    large, small = (
        PoseSmoother(0.6).step(local_affine.with_jacobians(points, size * matrices))
        for size in (1.0, 0.05)
    )
    torch.testing.assert_close(local_affine.jacobians(small), 0.05 * local_affine.jacobians(large))


def test_a_jacobian_of_zeros_stays_finite() -> None:
    poses = torch.zeros(5, 2, 6)
    poses[3:, :, 2:] = 1.0
    assert PoseSmoother(1.0).step(poses).isfinite().all()
