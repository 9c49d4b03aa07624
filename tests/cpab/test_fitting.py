from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from _helpers.tolerances import Tolerance
from torch import Tensor

from cpabmm_core.cpab import Tessellation, VelocitySpace, fit, transform
from cpabmm_core.cpab.prior import smoothness_precision
from cpabmm_core.cpab.solvers import SolverName
from cpabmm_core.errors import ConfigError

GOLDEN = Path(__file__).parents[1] / "golden" / "cpab"

Pairs = Callable[[int, int], tuple[Tensor, Tensor]]

# A fit computes in float64 and rounds its result to the dtype of the points. The comments state the
# largest errors measured on a CPU.
RESIDUAL = Tolerance(1e-12, 1e-6, 5e-6)  # 1e-16, 3e-8, 8e-8 with the engine `plain`
THETA = {torch.float64: 1e-10, torch.float32: 1e-5}  # 3e-15, 0


def smooth_pairs(batch: int, count: int) -> tuple[Tensor, Tensor]:
    """Return points, and the points after a slight rotation, stretch and shift."""
    generator = torch.Generator().manual_seed(count)
    source = 0.2 + 0.6 * torch.rand(batch, count, 2, generator=generator, dtype=torch.float64)
    matrix = torch.tensor([[-0.08, 0.10], [-0.12, 0.05]], dtype=torch.float64)
    return source, source + (source - 0.5) @ matrix.T + 0.03


@pytest.fixture
def pairs(device: torch.device, dtype: torch.dtype) -> Pairs:
    """Sample `smooth_pairs`, the same on every device."""

    def sample(batch: int, count: int) -> tuple[Tensor, Tensor]:
        source, target = smooth_pairs(batch, count)
        return source.to(device, dtype), target.to(device, dtype)

    return sample


def noise_like(points: Tensor, scale: float, seed: int) -> Tensor:
    """Sample Gaussian noise, the same on every device."""
    return scale * torch.randn(points.shape, generator=torch.Generator().manual_seed(seed)).to(
        points
    )


@pytest.mark.parametrize(("solver", "largest"), [("gauss-newton", 3e-3), ("adam", 1e-2)])
def test_residual_is_that_of_theta(
    solver: SolverName, largest: float, pairs: Pairs, dtype: torch.dtype
) -> None:
    space = VelocitySpace(Tessellation(4, 4))
    source, target = pairs(3, 8)
    result = fit(space, source, target, solver=solver)
    left = transform(space, result.theta, source) - target
    torch.testing.assert_close(result.residual, left, rtol=0, atol=RESIDUAL.of(source))
    assert left.abs().max() < largest
    assert result.theta.dtype == dtype
    assert result.theta.device == source.device
    assert result.converged.all()


def test_smooth_motion_extends_between_and_beyond_the_points(pairs: Pairs) -> None:
    """Other points follow the affine motion of the fitted points to a few per cent."""
    space = VelocitySpace(Tessellation(6, 6))
    source, target = pairs(1, 50)
    others, truth = pairs(1, 49)
    moved = transform(space, fit(space, source, target).theta, others)
    assert (moved - truth).abs().mean() < 0.05 * (truth - others).abs().mean()


def test_one_point_moves_its_surroundings(device: torch.device, dtype: torch.dtype) -> None:
    """With one pair the smoothest field is nearly a translation."""
    space = VelocitySpace(Tessellation(4, 4))
    source = torch.tensor([[[0.4, 0.6]]], device=device, dtype=dtype)
    result = fit(space, source, source + 0.1)
    corners = torch.tensor([[[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]], device=device, dtype=dtype)
    moved = transform(space, result.theta, corners) - corners
    assert (moved - 0.1).abs().max() < 0.005


def test_fits_of_a_batch_are_independent(pairs: Pairs) -> None:
    """The other sets of the batch do not change a fit."""
    space = VelocitySpace(Tessellation(4, 4))
    source, target = pairs(3, 5)
    wild = target.clone()
    wild[0] += noise_like(wild[0], 0.2, 0)
    together, alone = fit(space, source, wild).theta[1:], fit(space, source[1:], wild[1:]).theta
    torch.testing.assert_close(together, alone, atol=THETA[source.dtype], rtol=0)


FOLDING = {
    "two points": ([[0.45, 0.5], [0.55, 0.5]], [1, 0]),
    "with a third": ([[0.45, 0.5], [0.55, 0.5], [0.5, 0.3]], [1, 0, 2]),
    "far": ([[0.2, 0.5], [0.8, 0.5], [0.5, 0.3], [0.5, 0.7]], [1, 0, 2, 3]),
    "a ring turned over": ([[0.3, 0.3], [0.7, 0.3], [0.7, 0.7], [0.3, 0.7]], [1, 0, 3, 2]),
}


@pytest.mark.parametrize(("points", "order"), FOLDING.values(), ids=FOLDING)
@pytest.mark.parametrize("cells", [4, 6])
def test_folding_pairs_end_in_a_best_effort(
    cells: int,
    points: list[list[float]],
    order: list[int],
    device: torch.device,
    dtype: torch.dtype,
) -> None:
    """No diffeomorphism close to the identity swaps points along a line."""
    space = VelocitySpace(Tessellation(cells, cells))
    source = torch.tensor([points], device=device, dtype=dtype)
    result = fit(space, source, source[:, order])
    assert not result.converged.any()
    assert result.theta.isfinite().all()
    assert result.residual.norm(dim=2).max() < 0.6 * (source - source[:, order]).norm(dim=2).max()
    velocities = space.vertex_basis.to(source).flatten(1).T @ result.theta[0]
    assert velocities.abs().max() < 5


def test_points_in_random_order_are_not_a_fold(device: torch.device, dtype: torch.dtype) -> None:
    """Points closer than the noise may swap places; the fit does not follow them."""
    space = VelocitySpace(Tessellation(4, 4))
    source = torch.tensor([[[0.5, 0.5], [0.502, 0.5], [0.3, 0.3], [0.7, 0.4], [0.4, 0.7]]])
    source = source.to(device, dtype)
    assert fit(space, source, source[:, [1, 0, 2, 3, 4]] + 0.05).converged.all()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_extreme_pairs_stay_finite(scale: float, device: torch.device, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    source, target = torch.rand(2, 20, 9, 2, generator=generator).to(device, dtype).unbind(0)
    result = fit(VelocitySpace(Tessellation(4, 4)), source, 0.5 + (target - 0.5) * scale)
    assert result.theta.isfinite().all()
    assert result.residual.isfinite().all()
    assert result.residual.norm(dim=2).mean() < (source - target).norm(dim=2).mean() * scale + 1


@pytest.mark.parametrize("scale", [1 / 6, 1e-2, 100.0, 1e-30, 1e30])
def test_the_scale_of_the_weights_has_no_effect(scale: float, pairs: Pairs) -> None:
    """Weights that sum to 1 (a softmax) mean the same as weights that sum to the pairs."""
    space = VelocitySpace(Tessellation(4, 4))
    source, target = pairs(2, 6)
    target = target + noise_like(target, 0.02, 5)
    weights = source.new_tensor([3.0, 1, 0.2, 1, 0, 1]).expand(2, 6)
    for huber in (None, 0.01):
        plain = fit(space, source, target, weights=weights, huber=huber)
        scaled = fit(space, source, target, weights=scale * weights, huber=huber)
        atol = 1e-9 if source.dtype == torch.float64 else 1e-5
        torch.testing.assert_close(scaled.theta, plain.theta, atol=atol, rtol=0)
    alike = fit(space, source, target, weights=torch.full_like(weights, scale))
    assert torch.equal(alike.theta, fit(space, source, target).theta)


def test_a_pair_of_weight_0_is_ignored(pairs: Pairs) -> None:
    """It may be NaN; a bool mask is a valid weight; a weight near 0 acts like 0."""
    space = VelocitySpace(Tessellation(4, 4))
    source, target = pairs(2, 6)
    target = target + noise_like(target, 0.02, 5)
    mask = source.new_tensor([1, 1, 1, 1, 0, 1]).expand(2, 6) > 0
    chosen = fit(space, source[:, mask[0]], target[:, mask[0]])
    missing = target.masked_fill(~mask[..., None], torch.nan)
    for weights, goals in ((mask, missing), (7.0 * mask, missing), (mask + 1e-9, target)):
        masked = fit(
            space,
            source,
            goals,
            weights=weights.to(source) if weights.dtype != torch.bool else weights,
        )
        torch.testing.assert_close(masked.theta, chosen.theta, atol=1e-5, rtol=0)
    assert (fit(space, source, missing, weights=mask).residual[:, 4] == 0).all()


def test_more_weight_brings_a_pair_closer(pairs: Pairs) -> None:
    space = VelocitySpace(Tessellation(4, 4))
    source, target = pairs(1, 30)
    target = target + noise_like(target, 0.02, 5)
    lengths = []
    for weight in (0.1, 1.0, 10.0):
        weights = torch.ones_like(source[..., 0])
        weights[:, 7] = weight
        lengths.append(fit(space, source, target, weights=weights).residual[0, 7].norm().item())
    assert lengths == sorted(lengths, reverse=True)


@pytest.mark.parametrize("wrong", [-1.0, torch.nan, torch.inf])
def test_wrong_weights_are_refused(wrong: float) -> None:
    points = torch.rand(2, 3, 2)
    weights = torch.ones(2, 3)
    weights[1, 2] = wrong
    with pytest.raises(ValueError, match=rf"weights: .* at least 0, got {wrong:g} at \[1, 2\]"):
        fit(VelocitySpace(Tessellation(2, 2)), points, points, weights=weights)


def test_without_any_weight_nothing_moves() -> None:
    points = torch.rand(1, 3, 2)
    result = fit(VelocitySpace(Tessellation(2, 2)), points, points + 0.1, weights=torch.zeros(1, 3))
    assert (result.theta == 0).all()
    assert (result.residual == 0).all()


def test_huber_limits_outliers(pairs: Pairs) -> None:
    space = VelocitySpace(Tessellation(6, 6))
    source, truth = pairs(1, 50)
    target = truth.clone()
    target[:, ::10] += target.new_tensor([0.25, -0.2])
    others, where = pairs(1, 49)
    errors = [
        (transform(space, fit(space, source, target, huber=huber).theta, others) - where)
        .norm(dim=2)
        .mean()
        for huber in (None, 0.01)
    ]
    assert errors[1] < 0.3 * errors[0]


def test_huber_beyond_every_residual_changes_nothing(pairs: Pairs) -> None:
    space = VelocitySpace(Tessellation(4, 4))
    source, target = pairs(2, 7)
    torch.testing.assert_close(
        fit(space, source, target, huber=10.0).theta, fit(space, source, target).theta
    )


def test_warm_start_saves_iterations_and_gives_the_same_result(pairs: Pairs) -> None:
    space = VelocitySpace(Tessellation(6, 6))
    source, target = pairs(1, 40)
    target = target + (target - source)  # twice as far
    before = fit(space, source, target)
    after = target + noise_like(target, 0.002, 1)
    warm, cold = fit(space, source, after, start=before.theta), fit(space, source, after)
    assert (warm.iterations < cold.iterations).all()
    moved = [transform(space, result.theta, source) for result in (warm, cold)]
    torch.testing.assert_close(*moved, atol=1e-4, rtol=0)


def test_less_noise_means_a_closer_and_rougher_fit(pairs: Pairs) -> None:
    space = VelocitySpace(Tessellation(4, 4))
    source, target = pairs(1, 5)
    target = target + noise_like(target, 0.02, 1)
    precision = smoothness_precision(space).to(source)
    lengths, roughness = [], []
    for noise in (1e-1, 1e-3, 1e-5):
        result = fit(space, source, target, noise=noise)
        lengths.append(result.residual.norm().item())
        roughness.append((result.theta @ precision @ result.theta.T).item())
    assert lengths == sorted(lengths, reverse=True)
    assert roughness == sorted(roughness)


def test_longer_scales_carry_a_difference_of_motion_further(pairs: Pairs) -> None:
    """One point moves away from another; how far does the motion reach on the other side?"""
    space = VelocitySpace(Tessellation(8, 8))
    like = pairs(1, 2)[0]
    source = like.new_tensor([[[0.5, 0.5], [0.4, 0.5]]])
    target = source + like.new_tensor([[[0.03, 0.0], [0.0, 0.0]]])
    beyond = like.new_tensor([[[0.8, 0.5]]])
    reached = []
    for length_scale in (0.1, 0.2, 0.5, 2.0):
        theta = fit(space, source, target, noise=1e-6, length_scale=length_scale).theta
        reached.append((transform(space, theta, beyond) - beyond)[0, 0, 0].item())
    assert reached == sorted(reached)
    assert reached[0] < 0.02
    assert reached[-1] > 0.08
    default = fit(space, source, target).theta
    assert torch.equal(fit(space, source, target, length_scale=0.2).theta, default)


@pytest.mark.parametrize("length_scale", [None, 0.05, 2.0])
def test_gradient_of_the_objective_vanishes_at_the_solution(length_scale: float | None) -> None:
    """By autograd, the gradients of the data term and the prior cancel."""
    space = VelocitySpace(Tessellation(4, 4))
    source, target = smooth_pairs(1, 5)
    target = target + 0.01 * torch.randn(target.shape, generator=torch.Generator().manual_seed(2))
    weights = torch.tensor([[1.0, 2.0, 0.5, 1.0, 1.0]]).double()
    amount = weights.sum() ** 2 / weights.square().sum()  # of pairs, by Kish
    noise = 1e-3
    solution = fit(
        space,
        source,
        target,
        weights=weights,
        noise=noise,
        length_scale=length_scale,
        iterations=60,
    ).theta
    precision = smoothness_precision(space, length_scale or 0.2)

    def objective(theta: Tensor) -> Tensor:
        squares = (transform(space, theta, source) - target).square().sum(2)
        data = (amount * weights / weights.sum() * squares).sum()
        return data + noise * amount.sqrt() * (theta @ precision @ theta.T).sum()

    def slope(theta: Tensor) -> Tensor:
        theta = theta.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(objective(theta), theta)
        # In the metric of the prior, where a unit step has the same cost in every direction.
        length: Tensor = torch.linalg.solve_triangular(
            torch.linalg.cholesky(precision), gradient.T, upper=False
        ).norm()
        return length

    assert slope(solution) < 1e-4 * slope(torch.zeros_like(solution))


@pytest.mark.parametrize("which", ["source", "target"])
@pytest.mark.parametrize(("huber", "length_scale"), [(None, None), (0.004, None), (None, 1.0)])
def test_implicit_gradient_follows_the_solution(
    which: str, huber: float | None, length_scale: float | None, device: torch.device
) -> None:
    """Moving a point and fitting again changes theta by the gradient."""
    space = VelocitySpace(Tessellation(4, 4))
    source, target = (points.to(device) for points in smooth_pairs(1, 5))
    points = {"source": source, "target": target}
    moving = points[which].clone().requires_grad_()
    probe = torch.rand(1, 20, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    probe = probe.to(device)
    weights = noise_like(probe, 1.0, 2)

    def value(changed: Tensor, *, differentiable: bool = False) -> Tensor:
        pair = points | {which: changed}
        result = fit(
            space,
            pair["source"],
            pair["target"],
            huber=huber,
            length_scale=length_scale,
            iterations=100,
            differentiable=differentiable,
        )
        return (transform(space, result.theta, probe) * weights).sum()

    (gradient,) = torch.autograd.grad(value(moving, differentiable=True), moving)
    direction = noise_like(source, 1.0, 3)
    step = 1e-3
    slope = (value(moving + step * direction) - value(moving - step * direction)) / (2 * step)
    assert (gradient * direction).sum().item() == pytest.approx(slope.item(), rel=1e-2)


def test_fit_is_detached_by_default(pairs: Pairs) -> None:
    space = VelocitySpace(Tessellation(2, 2))
    source, target = pairs(1, 4)
    source.requires_grad_()
    assert not fit(space, source, target).theta.requires_grad
    assert fit(space, source, target, differentiable=True).theta.requires_grad


def test_gauss_newton_beats_adam_on_the_golden_field() -> None:
    """Both solvers recover a motion made by libcpab, ours with smaller residuals."""
    arrays = np.load(GOLDEN / "transforms.npz")
    points = torch.from_numpy(arrays["n4_zb0_vp0_points"]).double()
    truth = torch.from_numpy(arrays["n4_zb0_vp0_truth"]).double()
    inside = ~truth.isnan().any(dim=1)
    source, target = points[inside][None, :60], truth[inside][None, :60]
    space = VelocitySpace(Tessellation(4, 4))
    ours = fit(space, source, target).residual.norm(dim=2).mean()
    adam = fit(space, source, target, solver="adam").residual.norm(dim=2).mean()
    assert ours < adam < (target - source).norm(dim=2).mean()


@pytest.mark.parametrize(("batch", "count"), [(0, 5), (2, 0)])
def test_empty_batches(batch: int, count: int, device: torch.device, dtype: torch.dtype) -> None:
    space = VelocitySpace(Tessellation(2, 2))
    points = torch.zeros(batch, count, 2, device=device, dtype=dtype)
    result = fit(space, points, points)
    assert result.theta.shape == (batch, space.dim)
    assert (result.theta == 0).all()


def test_a_space_without_fields_moves_nothing(pairs: Pairs) -> None:
    space = VelocitySpace(Tessellation(1, 1), "zero", volume_preserving=True)
    source, target = pairs(1, 4)
    torch.testing.assert_close(fit(space, source, target).residual, source - target)


def test_wrong_arguments_are_refused() -> None:
    space = VelocitySpace(Tessellation(2, 2))
    points = torch.zeros(1, 3, 2)
    with pytest.raises(ValueError, match="expected two tensors"):
        fit(space, points, points[0])
    with pytest.raises(ValueError, match="float32 or both float64"):
        fit(space, points, points.double())
    with pytest.raises(ConfigError, match="expected one of gauss-newton, adam, got 'newton'"):
        fit(space, points, points, solver="newton")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"weights: expected \(1, 3\), got \(1, 2\)"):
        fit(space, points, points, weights=points[..., 0][:, :2])
    with pytest.raises(ValueError, match="start: expected"):
        fit(space, points, points, start=torch.zeros(1, 3))
    with pytest.raises(ValueError, match="huber: expected a positive number, got 0"):
        fit(space, points, points, huber=0.0)
    with pytest.raises(ValueError, match="length_scale: expected a positive number, got -1"):
        fit(space, points, points, length_scale=-1.0)
    with pytest.raises(ConfigError, match="length_scale: not supported by the solver adam"):
        fit(space, points, points, solver="adam", length_scale=1.0)
    with pytest.raises(ConfigError, match="noise: not supported by the solver adam"):
        fit(space, points, points, solver="adam", noise=1.0)
    with pytest.raises(ConfigError, match="differentiable: not supported by the solver adam"):
        fit(space, points, points, solver="adam", differentiable=True)


@pytest.mark.parametrize("solver", ["gauss-newton", "adam"])
def test_fits_in_inference_mode(solver: SolverName, pairs: Pairs) -> None:
    """Models run in inference mode, where autograd is unavailable."""
    space = VelocitySpace(Tessellation(3, 3))
    source, target = pairs(1, 5)
    with torch.inference_mode():
        inside = fit(space, source, target, solver=solver)
    outside = fit(space, source, target, solver=solver)
    assert torch.equal(inside.theta, outside.theta)
