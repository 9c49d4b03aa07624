"""Fits of many pairs: their cost, and the shortcuts that keep it proportional to the pairs."""

import resource
import time

import pytest
import torch
from torch import Tensor

from cpabmm_core.cpab import Tessellation, VelocitySpace, fit, folding, problem, sample, transform
from cpabmm_core.cpab.problem import Problem
from cpabmm_core.cpab.solvers import SolverName


def moved_points(count: int, *, noise: float = 0.002) -> tuple[Tensor, Tensor]:
    """Return points everywhere in the square, and their places after a smooth random motion."""
    generator = torch.Generator().manual_seed(0)
    space = VelocitySpace(Tessellation(4, 4))
    theta = sample(space, 1, length_scale=0.3, generator=generator).double()
    source = torch.rand(1, count, 2, generator=generator, dtype=torch.float64)
    errors = torch.randn(1, count, 2, generator=generator, dtype=torch.float64)
    return source, transform(space, theta, source) + noise * errors


def test_65536_pairs_take_seconds_and_little_memory() -> None:
    """The comparison of every two pairs took minutes; all derivatives at once 0.6 GB."""
    source, target = moved_points(1 << 16)
    space = VelocitySpace(Tessellation(8, 8))
    fit(space, source[:, :9], target[:, :9])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    result = fit(space, source, target)
    assert time.process_time() - start < 30  # 4 s without other load
    # The derivatives of the end points by theta alone are 2 * 65,536 * 226 * 8 bytes = 237 MB, and
    # a step had five of them.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 * 1024
    assert result.converged.all()
    assert result.residual.norm(dim=2).mean().item() == pytest.approx(0.0025, rel=0.1)


@pytest.mark.parametrize("huber", [None, 0.003])
@pytest.mark.parametrize("weighted", [False, True])
def test_parts_of_the_pairs_give_the_same_fit(
    huber: float | None, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = VelocitySpace(Tessellation(2, 2))
    source, target = moved_points(150, noise=0.004)
    weights = torch.rand(1, 150, dtype=torch.float64) if weighted else None
    whole = fit(space, source, target, huber=huber, weights=weights)
    monkeypatch.setattr(problem, "_NUMBERS_AT_ONCE", 1)  # at least `dim` pairs, here 22
    parts = fit(space, source, target, huber=huber, weights=weights)
    torch.testing.assert_close(parts.theta, whole.theta, rtol=0, atol=1e-9)  # 5e-14
    assert parts.residual.shape == whole.residual.shape
    assert torch.equal(parts.iterations, whole.iterations)


def test_parts_of_the_pairs_give_the_same_descent(monkeypatch: pytest.MonkeyPatch) -> None:
    space = VelocitySpace(Tessellation(2, 2))
    source, target = moved_points(100)
    whole = fit(space, source, target, "adam", iterations=20)
    monkeypatch.setattr(problem, "_NUMBERS_AT_ONCE", 1)
    parts = fit(space, source, target, "adam", iterations=20)
    torch.testing.assert_close(parts.theta, whole.theta, rtol=0, atol=1e-9)


def test_parts_of_the_pairs_give_the_same_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    space = VelocitySpace(Tessellation(2, 2))
    gradients = []
    for numbers in (1 << 21, 1):
        monkeypatch.setattr(problem, "_NUMBERS_AT_ONCE", numbers)
        source, target = moved_points(100)
        source.requires_grad_()
        fit(space, source, target, differentiable=True).theta.square().sum().backward()
        gradients.append(source.grad)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-7)


def as_problem(source: Tensor, target: Tensor, weights: Tensor | None = None) -> Problem:
    space = VelocitySpace(Tessellation(2, 2))
    weights = torch.ones_like(source[..., 0]) if weights is None else weights
    start = torch.zeros(len(source), space.dim, dtype=source.dtype)
    return Problem(space, source, target, weights, start, None, None, None)


def scattered(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(1, count, 2, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("count", [500, 5_000, 50_000])
def test_a_strip_turned_over_is_a_fold_in_sets_of_any_size(count: int) -> None:
    """A narrow strip of points wants to be reflected, and the fit has squeezed it."""
    source = scattered(count)
    x = source[..., 0] - 0.5
    in_strip = x.abs() < 0.05
    squeezed, reflected = source.clone(), source.clone()
    squeezed[..., 0] = 0.5 + torch.where(in_strip, 0.05 * x, x)
    reflected[..., 0] = 0.5 + torch.where(in_strip, -x, x)
    assert folding.find_folds(as_problem(source, reflected), squeezed).tolist() == [True]
    still = as_problem(source, reflected, weights=(~in_strip).double())
    assert folding.find_folds(still, squeezed).tolist() == [False]


@pytest.mark.parametrize("centre", [(0.5, 0.5), (0.25, 0.75), (0.31, 0.62)])
def test_two_stuck_points_are_found_among_thousands(centre: tuple[float, float]) -> None:
    """Their positions on one curve may be far apart, as on both sides of the middle."""
    middle = torch.tensor(centre, dtype=torch.float64)
    source = scattered(20_000)
    source = source[:, (source[0] - middle).norm(dim=1) > 0.15][:, :15_000]
    offset = torch.tensor([0.1, 0.02], dtype=torch.float64)
    pair = torch.stack([middle - offset, middle + offset])[None]
    everyone, wanted = torch.cat([pair, source], 1), torch.cat([pair.flip(1), source], 1)
    end = torch.cat([middle + 0.1 * (pair - middle), source], 1)
    assert folding.find_folds(as_problem(everyone, wanted), end).tolist() == [True]


def test_a_contraction_with_noise_is_no_fold() -> None:
    """Points shrunk to a third keep their order, even where noise swaps their targets."""
    source = scattered(5_000)
    end = 0.5 + (source - 0.5) / 3
    noise = torch.randn(end.shape, generator=torch.Generator().manual_seed(2)).double()
    assert not folding.find_folds(as_problem(source, end + 0.01 * noise), end).any()


@pytest.mark.parametrize("solver", ["gauss-newton", "adam"])
def test_many_sets_of_many_pairs(solver: SolverName) -> None:
    source, target = moved_points(3_000)
    space = VelocitySpace(Tessellation(2, 2))
    several = fit(space, source.expand(3, -1, -1), target.expand(3, -1, -1), solver, iterations=5)
    single = fit(space, source, target, solver, iterations=5)
    if solver == "gauss-newton":
        torch.testing.assert_close(several.theta, single.theta.expand(3, -1), rtol=0, atol=1e-9)
    assert several.theta.shape == (3, space.dim)


def test_progress_counts_the_iterations() -> None:
    source, target = moved_points(20)
    space = VelocitySpace(Tessellation(2, 2))
    seen: list[tuple[int, int | None]] = []

    def note(done: int, total: int | None) -> None:
        seen.append((done, total))

    result = fit(space, source, target, progress=note)
    assert seen == [(k + 1, None) for k in range(int(result.iterations))]
    seen.clear()
    fit(space, source, target, "adam", iterations=3, progress=note)
    assert seen == [(1, 3), (2, 3), (3, 3)]
