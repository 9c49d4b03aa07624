"""Sets of different sizes in one batch: padding with weight 0 must have no effect."""

import pytest
import torch
from torch import Tensor

from cpabmm_core.cpab import Tessellation, VelocitySpace, fit, transform

COUNTS = (5, 12, 1, 0, 8)
SPACE = VelocitySpace(Tessellation(4, 3))


def pairs(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return source, target and weights of one set: a slight rotation with noise."""
    generator = torch.Generator().manual_seed(count)
    source = 0.1 + 0.8 * torch.rand(count, 2, generator=generator, dtype=torch.float64)
    matrix = torch.tensor([[-0.08, 0.10], [-0.12, 0.05]], dtype=torch.float64)
    noise = 0.02 * torch.randn(count, 2, generator=generator, dtype=torch.float64)
    weights = 0.5 + torch.rand(count, generator=generator, dtype=torch.float64)
    return source, source + (source - 0.5) @ matrix.T + 0.03 + noise, weights


def padded(sets: list[Tensor], filler: float) -> Tensor:
    """Stack sets, each padded to the size of the largest."""
    longest = max(map(len, sets))
    batch = sets[0].new_full((len(sets), longest, *sets[0].shape[1:]), filler)
    for row, one in zip(batch, sets, strict=True):
        row[: len(one)] = one
    return batch


@pytest.mark.parametrize("solver", ["gauss-newton", "adam"])
@pytest.mark.parametrize("filler", [float("nan"), float("inf"), 7.0])
@pytest.mark.parametrize("weighted", [True, False])
def test_padding_does_not_change_theta(solver: str, filler: float, weighted: bool) -> None:
    sets = [pairs(count) for count in COUNTS]
    source, target = (padded([one[i] for one in sets], filler) for i in range(2))
    weights = padded([one[2] if weighted else torch.ones_like(one[2]) for one in sets], 0.0)
    used = weights if weighted else weights.bool()
    # Adam amplifies rounding in its last steps.
    options = {"together": 1, "iterations": 60} if solver == "adam" else {}
    together = fit(SPACE, source, target, solver, weights=used, **options)  # type: ignore[arg-type]
    for b, (one, other, weight) in enumerate(sets):
        given = weight[None] if weighted else None
        pair = (one[None], other[None])
        alone = fit(SPACE, *pair, solver, weights=given, **options)  # type: ignore[arg-type]
        torch.testing.assert_close(together.theta[b], alone.theta[0], atol=1e-6, rtol=0)
        residual = together.residual[b]
        torch.testing.assert_close(residual[: len(one)], alone.residual[0], atol=1e-6, rtol=0)
        assert (residual[len(one) :] == 0).all()
        assert together.iterations[b] == alone.iterations[0]
        assert together.converged[b] == alone.converged[0]
    assert (together.theta[COUNTS.index(0)] == 0).all()


def test_pairs_of_weight_0_may_be_anywhere() -> None:
    """Missing points need not be at the end."""
    source, target, _ = pairs(9)
    seen = torch.tensor([1, 0, 1, 1, 0, 1, 1, 1, 0], dtype=torch.bool)
    holed = torch.where(seen[:, None], target, torch.nan)
    result = fit(SPACE, source[None], holed[None], weights=seen[None])
    alone = fit(SPACE, source[seen][None], target[seen][None])
    torch.testing.assert_close(result.theta, alone.theta, atol=1e-6, rtol=0)
    left = transform(SPACE, result.theta, source[None])[0] - target
    torch.testing.assert_close(result.residual[0, seen], left[seen])


def test_padding_carries_no_gradient() -> None:
    sets = [pairs(count) for count in (4, 7)]
    source, target = (padded([one[i] for one in sets], float("nan")) for i in range(2))
    weights = padded([torch.ones_like(one[2]) for one in sets], 0.0)
    source.requires_grad_()
    target.requires_grad_()
    theta = fit(SPACE, source, target, weights=weights, differentiable=True).theta
    gradients = torch.autograd.grad(theta.square().sum(), (source, target))
    for b, (one, other, _) in enumerate(sets):
        alone = (one[None].clone().requires_grad_(), other[None].clone().requires_grad_())
        wanted = torch.autograd.grad(
            fit(SPACE, *alone, differentiable=True).theta.square().sum(), alone
        )
        for gradient, want in zip(gradients, wanted, strict=True):
            torch.testing.assert_close(gradient[b, : len(one)], want[0], atol=1e-6, rtol=1e-5)
            assert (gradient[b, len(one) :] == 0).all()
