from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cpabmm_core.cpab import Tessellation, VelocitySpace, fit, transform
from cpabmm_core.cpab.prior import smoothness_precision
from cpabmm_core.errors import ConfigError

GOLDEN = Path(__file__).parents[1] / "data" / "cpab"


def smooth_pairs(
    batch: int, count: int, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    """Points and where a gentle turn, stretch and shift takes them."""
    generator = torch.Generator().manual_seed(count)
    source = 0.2 + 0.6 * torch.rand(batch, count, 2, generator=generator, dtype=torch.float64)
    matrix = torch.tensor([[-0.08, 0.10], [-0.12, 0.05]], dtype=torch.float64)
    return source.to(dtype), (source + (source - 0.5) @ matrix.T + 0.03).to(dtype)


@pytest.mark.parametrize(("solver", "largest"), [("gauss-newton", 3e-3), ("adam", 1e-2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_residual_is_what_theta_leaves(solver: str, largest: float, dtype: torch.dtype) -> None:
    space = VelocitySpace(Tessellation(4, 4))
    source, target = smooth_pairs(3, 8, dtype)
    result = fit(space, source, target, solver=solver)  # type: ignore[arg-type]
    left = transform(space, result.theta, source) - target
    torch.testing.assert_close(result.residual, left)
    assert left.abs().max() < largest
    assert result.theta.dtype == dtype
    assert result.converged.all()


def test_smooth_motion_extends_between_and_beyond_the_points() -> None:
    """Unseen points move as the affine motion that moved the seen ones, to a few per cent."""
    space = VelocitySpace(Tessellation(6, 6))
    source, target = smooth_pairs(1, 50)
    others, truth = smooth_pairs(1, 49)
    moved = transform(space, fit(space, source, target).theta, others)
    assert (moved - truth).abs().mean() < 0.05 * (truth - others).abs().mean()


def test_one_point_moves_its_surroundings_along() -> None:
    """With one pair the smoothest field is a translation, up to the ridge."""
    space = VelocitySpace(Tessellation(4, 4))
    source = torch.tensor([[[0.4, 0.6]]], dtype=torch.float64)
    result = fit(space, source, source + 0.1)
    corners = torch.tensor([[[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]], dtype=torch.float64)
    moved = transform(space, result.theta, corners) - corners
    assert (moved - 0.1).abs().max() < 0.005


def test_translations_cost_the_ridge_alone() -> None:
    space = VelocitySpace(Tessellation(3, 3))
    affine = torch.zeros(1, space.tessellation.cells, 2, 3, dtype=torch.float64)
    affine[..., 0, 2] = 1
    theta = space.coordinates(affine)
    roughness = (theta @ smoothness_precision(space) @ theta.T).item()
    assert roughness == pytest.approx(1e-5 * len(space.tessellation.vertices))


def test_each_fit_is_its_own() -> None:
    """The company that a fit keeps in its batch does not change it."""
    space = VelocitySpace(Tessellation(4, 4))
    source, target = smooth_pairs(3, 5)
    wild = target.clone()
    wild[0] += 0.2 * torch.randn(5, 2, generator=torch.Generator().manual_seed(0)).double()
    together, alone = fit(space, source, wild).theta[1:], fit(space, source[1:], wild[1:]).theta
    torch.testing.assert_close(together, alone, atol=1e-10, rtol=0)


def test_swapped_points_end_in_a_best_effort() -> None:
    """No diffeomorphism swaps close points along a line; the fit must stay calm and finite."""
    space = VelocitySpace(Tessellation(4, 4))
    source = torch.tensor([[[0.45, 0.5], [0.55, 0.5], [0.5, 0.3]]])
    result = fit(space, source, source[:, [1, 0, 2]])
    assert result.theta.isfinite().all()
    assert result.residual.norm(dim=2).max() < 0.2
    assert (space.vertex_basis.float().flatten(1).T @ result.theta[0]).abs().max() < 5


@pytest.mark.parametrize("which", ["source", "target"])
def test_implicit_gradient_follows_the_solution(which: str) -> None:
    """Moving a point and solving again changes theta as the gradient says.

    Gauss-Newton leaves out the curvature of the residuals: 4.6 % was seen here.
    """
    space = VelocitySpace(Tessellation(4, 4))
    source, target = smooth_pairs(1, 5)
    points = {"source": source, "target": target}
    moving = points[which].clone().requires_grad_()
    probe = torch.rand(1, 20, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weights = torch.randn(1, 20, 2, generator=torch.Generator().manual_seed(2)).double()

    def value(changed: Tensor, *, differentiable: bool = False) -> Tensor:
        pair = points | {which: changed}
        result = fit(
            space,
            pair["source"],
            pair["target"],
            iterations=50,
            differentiable=differentiable,
        )
        return (transform(space, result.theta, probe) * weights).sum()

    (gradient,) = torch.autograd.grad(value(moving, differentiable=True), moving)
    direction = torch.randn(1, 5, 2, generator=torch.Generator().manual_seed(3)).double()
    step = 1e-3
    slope = (value(moving + step * direction) - value(moving - step * direction)) / (2 * step)
    assert (gradient * direction).sum().item() == pytest.approx(slope.item(), rel=0.06)


def test_fit_is_detached_unless_asked() -> None:
    space = VelocitySpace(Tessellation(2, 2))
    source, target = smooth_pairs(1, 4)
    source.requires_grad_()
    assert not fit(space, source, target).theta.requires_grad
    assert fit(space, source, target, differentiable=True).theta.requires_grad


def test_gauss_newton_beats_adam_on_the_golden_field() -> None:
    """Points carried by a field of libcpab's: both solvers recover the motion, ours to less."""
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
def test_nothing_to_fit(batch: int, count: int) -> None:
    space = VelocitySpace(Tessellation(2, 2))
    result = fit(space, torch.zeros(batch, count, 2), torch.zeros(batch, count, 2))
    assert result.theta.shape == (batch, space.dim)
    assert (result.theta == 0).all()


def test_space_without_fields_stands_still() -> None:
    space = VelocitySpace(Tessellation(1, 1), "zero", volume_preserving=True)
    source, target = smooth_pairs(1, 4)
    torch.testing.assert_close(fit(space, source, target).residual, source - target)


def test_wrong_arguments_are_refused() -> None:
    space = VelocitySpace(Tessellation(2, 2))
    points = torch.zeros(1, 3, 2)
    with pytest.raises(ValueError, match="expected two"):
        fit(space, points, points[0])
    with pytest.raises(ValueError, match="float32 or both float64"):
        fit(space, points, points.double())
    with pytest.raises(ConfigError, match="solver: expected"):
        fit(space, points, points, solver="newton")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="has no gradient"):
        fit(space, points, points, solver="adam", differentiable=True)
