import pytest
import torch
from torch import Tensor

from cpabmm_core.cpab import (
    Tessellation,
    VelocitySpace,
    effective_noise,
    fit,
    smoothness_precision,
    transform,
)


def moved(count: int, length: float = 0.05) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(count)
    source = torch.rand(1, count, 2, generator=generator, dtype=torch.float64)
    change = torch.randn(1, count, 2, generator=generator, dtype=torch.float64)
    return source, source + length * (0.2 * change + (source - 0.4).flip(2) + 1)


@pytest.mark.parametrize("noise", [None, 0.1])
def test_it_is_the_evidence_of_the_linearised_fit(noise: float | None) -> None:
    """In the basis of the space, with derivatives by autograd."""
    space = VelocitySpace(Tessellation(3, 3))
    source, target = moved(12)
    weights = torch.linspace(0.5, 2, 12).double()
    theta = fit(space, source, target, weights=weights[None], noise=noise).theta
    got = effective_noise(space, theta, source, target, weights=weights[None], noise=noise)

    amount = weights.sum() ** 2 / weights.square().sum()
    data = (amount * weights / weights.sum()).sqrt()[:, None]
    jacobian = torch.autograd.functional.jacobian(
        lambda at: (data * transform(space, at[None], source)[0]).flatten(), theta[0]
    )
    prior = (noise or 2e-3) * amount.sqrt() * smoothness_precision(space)
    normal = jacobian.T @ jacobian
    determined = torch.linalg.solve(normal + prior, normal).trace()
    expected = (theta[0] @ prior @ theta[0] / determined).sqrt()
    torch.testing.assert_close(got[0], expected, rtol=1e-6, atol=0)


def test_it_does_not_depend_on_the_scale_of_the_weights_but_on_that_of_the_motion() -> None:
    space = VelocitySpace(Tessellation(4, 4))
    source, target = moved(20, length=1e-4)
    weights = torch.rand(1, 20, generator=torch.Generator().manual_seed(0)).double()
    theta = fit(space, source, target, weights=weights).theta
    first = effective_noise(space, theta, source, target, weights=weights)
    share = effective_noise(space, theta, source, target, weights=weights / weights.sum())
    torch.testing.assert_close(share, first)
    further = source + 2 * (target - source)
    theta = fit(space, source, further, weights=weights).theta
    twice = effective_noise(space, theta, source, further, weights=weights)
    torch.testing.assert_close(twice, 2 * first, rtol=1e-3, atol=0)


def test_nothing_moves_without_noise() -> None:
    space = VelocitySpace(Tessellation(2, 2))
    source, _ = moved(5)
    for points in (source, source[:, :0]):
        theta = torch.zeros(1, space.dim, dtype=torch.float64)
        assert effective_noise(space, theta, points, points).tolist() == [0.0]
