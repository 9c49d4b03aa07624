"""The compiled loops of small fits compared with the tensor operations that define them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cpabmm_core.cpab import Tessellation, VelocitySpace, fit, gauss_newton, implicit
from cpabmm_core.cpab.engines import dense, threads
from cpabmm_core.cpab.engines import fit as compiled
from cpabmm_core.cpab.fitting import make_problem
from cpabmm_core.cpab.problem import Problem
from cpabmm_core.cpab.space import Boundary

CASES = {  # cells, sets, pairs, boundary, huber: fewer residuals than unknowns, and more
    "a group of keypoints": ((4, 4), 7, 5, "free", None),
    "all keypoints": ((6, 6), 1, 50, "free", None),
    "one pair": ((3, 3), 2, 1, "free", None),
    "more pairs than unknowns": ((2, 3), 1, 60, "free", None),
    "outliers": ((4, 4), 3, 40, "free", 0.02),
    "points outside a zero boundary": ((4, 2), 3, 9, "zero", None),
    "and outliers among many": ((3, 2), 2, 70, "zero", 0.02),
}


def random_problem(
    cells: tuple[int, int], sets: int, pairs: int, boundary: Boundary, huber: float | None
) -> Problem:
    generator = torch.Generator().manual_seed(pairs)
    source = 1.2 * torch.rand(sets, pairs, 2, generator=generator).double() - 0.1
    noise = 0.02 * torch.randn(sets, pairs, 2, generator=generator).double()
    target = source + 0.1 * torch.sin(5 * source.flip(-1)) + noise
    weights = torch.rand(sets, pairs, generator=generator).double() + 0.1
    space = VelocitySpace(Tessellation(*cells), boundary)
    return make_problem(space, source, target, weights, huber)[0]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_fits_equal_those_in_steps(
    case: tuple[tuple[int, int], int, int, Boundary, float | None],
) -> None:
    problem = random_problem(*case)
    assert gauss_newton.compiled_loop(problem) is compiled
    ours = gauss_newton.solve(problem, None)
    twin = gauss_newton.solve_in_steps(problem, gauss_newton.ITERATIONS)
    torch.testing.assert_close(ours.theta, twin.theta, atol=1e-9, rtol=0)  # 7e-12
    torch.testing.assert_close(ours.end, twin.end, atol=1e-11, rtol=0)  # 4e-13
    assert torch.equal(ours.iterations, twin.iterations)
    assert torch.equal(ours.converged, twin.converged)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_gradients_equal_those_in_steps(
    case: tuple[tuple[int, int], int, int, Boundary, float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = random_problem(*case)
    theta = gauss_newton.solve(problem, None).theta
    upstream = torch.randn(theta.shape, generator=torch.Generator().manual_seed(1)).double()
    ours = implicit.differentiate(problem, theta, upstream)
    monkeypatch.setattr(compiled, "_MOST_NUMBERS", 0)
    assert gauss_newton.compiled_loop(problem) is None
    with torch.no_grad():
        twins = implicit.differentiate(problem, theta, upstream)
    for mine, twin in zip(ours, twins, strict=True):
        # Finite differences amplify rounding; measured: 1e-6 of the largest
        torch.testing.assert_close(mine, twin, atol=1e-5 * twin.abs().max().item(), rtol=0)


def test_priors_of_other_length_scales_on_the_same_space_equal_those_in_steps() -> None:
    problem = random_problem((4, 4), 3, 6, "free", None)
    found = []
    for length_scale in (0.2, 1.0, 0.2):
        changed = replace(problem, length_scale=length_scale)
        found.append(gauss_newton.solve(changed, None).theta)
        twin = gauss_newton.solve_in_steps(changed, gauss_newton.ITERATIONS)
        torch.testing.assert_close(found[-1], twin.theta, atol=1e-9, rtol=0)
    assert torch.equal(found[0], found[2])
    assert not torch.allclose(found[0], found[1], atol=1e-3)


def test_a_warm_start_and_a_limit_equal_those_in_steps() -> None:
    problem = random_problem((4, 4), 3, 6, "free", None)
    start = 0.3 * gauss_newton.solve(problem, None).theta
    moved = Problem(**{**vars(problem), "start": start})
    for limit in (0, 1, 3):
        ours = gauss_newton.solve(moved, limit)
        twin = gauss_newton.solve_in_steps(moved, limit)
        torch.testing.assert_close(ours.theta, twin.theta, atol=1e-9, rtol=0)
        assert torch.equal(ours.iterations, twin.iterations)


def test_steps_that_make_it_worse_are_damped_alike() -> None:
    """Wild pairs, whose first steps overshoot."""
    generator = torch.Generator().manual_seed(0)
    source, target = torch.rand(2, 6, 9, 2, generator=generator).double().unbind(0)
    space = VelocitySpace(Tessellation(4, 4))
    problem, _ = make_problem(space, source, 0.5 + 3 * (target - 0.5), None)
    ours = gauss_newton.solve(problem, 12)
    twin = gauss_newton.solve_in_steps(problem, 12)
    assert ours.iterations.max() == 12
    torch.testing.assert_close(ours.theta, twin.theta, atol=1e-6, rtol=1e-6)


def test_threads_share_the_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = random_problem((4, 4), 7, 5, "free", None)
    alone = gauss_newton.solve(problem, None)
    monkeypatch.setattr(compiled, "_NUMBERS_PER_THREAD", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert threads.ranges(7, 100) == [(0, 2), (2, 4), (4, 7)]
    shared = gauss_newton.solve(problem, None)
    assert torch.equal(shared.theta, alone.theta)
    assert torch.equal(shared.end, alone.end)


def test_many_pairs_are_left_to_matrix_products() -> None:
    problem = random_problem((6, 6), 1, 600, "free", None)
    assert gauss_newton.compiled_loop(problem) is None


def test_a_caller_in_float32_gets_the_result_in_float32() -> None:
    source = torch.rand(2, 5, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    result = fit(VelocitySpace(Tessellation(3, 3)), source, source + 0.05, differentiable=True)
    (gradient,) = torch.autograd.grad(result.theta.sum(), source)
    assert result.theta.dtype == gradient.dtype == torch.float32


@pytest.mark.parametrize(("rows", "size"), [(3, 1), (30, 8), (40, 13), (150, 100)])
def test_dense_algebra_equals_numpy(rows: int, size: int) -> None:
    width = -(-size // 8) * 8
    generator = np.random.default_rng(0)
    matrix = np.zeros((rows, width))
    matrix[:, :size] = generator.standard_normal((rows, size))
    normal, factor = np.empty(width * width), np.empty(width * width)
    dense.gram(matrix.reshape(-1), rows, width, normal)
    expected = matrix[:, :size].T @ matrix[:, :size]
    upper = np.triu_indices(size)
    np.testing.assert_allclose(
        normal.reshape(width, width)[:size, :size][upper], expected[upper], atol=1e-12
    )
    vector = np.zeros(width)
    vector[:size] = generator.standard_normal(size)
    solution = np.linalg.solve(expected + 0.3 * np.eye(size), vector[:size])
    dense.factorise(normal, 0.3, size, width, factor)
    dense.solve_factored(factor, size, width, vector)
    np.testing.assert_allclose(vector[:size], solution, atol=1e-9)
    assert (vector[size:] == 0).all()


def test_a_matrix_without_a_factor_gives_nan() -> None:
    normal, factor = np.zeros(64), np.empty(64)
    dense.factorise(normal, -1.0, 3, 8, factor)
    assert np.isnan(factor[0])
