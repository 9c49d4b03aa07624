import math

import pytest
import torch
from torch import Tensor

from cpabmm_core.geometry.affine import apply_affine
from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.geometry.tps import Metric, ThinPlateSpline, fit_tps, random_tps

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-13}
"""Relative to the largest value. Measured on a CPU: 2.4e-7 and 7e-16."""
METRICS: tuple[Metric, ...] = ("euclidean", "manhattan")


def sample_points(batch: int = 3, count: int = 5) -> Tensor:  # (batch, count, 2) float64
    generator = torch.Generator().manual_seed(0)
    return torch.rand(batch, count, 2, generator=generator, dtype=torch.float64) * 2 - 1


def sample_spline(batch: int, metric: Metric) -> ThinPlateSpline:  # float64
    generator = torch.Generator().manual_seed(0)
    found = random_tps(batch, sigma_tps=0.05, metric=metric, generator=generator)
    return move(found, torch.device("cpu"), torch.float64)


def move(spline: ThinPlateSpline, device: torch.device, dtype: torch.dtype) -> ThinPlateSpline:
    return ThinPlateSpline(
        spline.control_points.to(device, dtype),
        spline.weights.to(device, dtype),
        spline.affine.to(device, dtype),
        spline.metric,
    )


def assert_near(actual: Tensor, expected: Tensor) -> None:
    """Compare relative to the largest expected value, or to 1 if that is larger."""
    atol = TOLERANCE[actual.dtype] * max(expected.abs().max().item(), 1.0)
    torch.testing.assert_close(actual, expected.to(actual), rtol=0, atol=atol)


@pytest.fixture
def points(device: torch.device, dtype: torch.dtype) -> Tensor:  # (3, 5, 2)
    return sample_points().to(device, dtype)


def test_without_regularisation_the_spline_passes_through_the_targets(points: Tensor) -> None:
    target = points.flip(1)
    spline = fit_tps(points, target, regularisation=0.0)
    assert_near(spline(points), target)


def test_affine_motion_is_reproduced_everywhere(points: Tensor) -> None:
    matrix = points.new_tensor([[0.9, 0.2, 0.1], [-0.1, 1.1, -0.3], [0.0, 0.0, 1.0]])
    matrices = matrix.expand(3, 3, 3)
    spline = fit_tps(points, apply_affine(matrices, points), regularisation=0.0)
    grid = identity_grid(4, 6, device=points.device, dtype=points.dtype).expand(3, -1, -1, -1)
    assert_near(spline.flow(4, 6), apply_affine(matrices, grid))


def test_spline_is_the_smoothest_interpolant(points: Tensor) -> None:
    """The weights are orthogonal to affine functions (Duchon's side conditions)."""
    spline = fit_tps(points, points.flip(1), regularisation=0.0)
    affine = torch.cat((points, torch.ones_like(points[..., :1])), dim=-1)
    moments = affine.transpose(1, 2) @ spline.weights
    assert_near(moments, torch.zeros_like(moments))


def test_gradients_of_fit_and_evaluation(device: torch.device) -> None:
    where = identity_grid(2, 3, device=device, dtype=torch.float64).view(1, -1, 2)

    def evaluate(source: Tensor, target: Tensor) -> Tensor:
        return fit_tps(source, target)(where)

    source, target = sample_points(1).to(device), sample_points(2)[1:].to(device)
    assert torch.autograd.gradcheck(evaluate, (source.requires_grad_(), target.requires_grad_()))


def test_gradient_is_finite_where_points_coincide(device: torch.device, dtype: torch.dtype) -> None:
    source = torch.zeros(1, 5, 2, device=device, dtype=dtype, requires_grad=True)
    fit_tps(source, torch.ones_like(source)).flow(3, 3).sum().backward()
    assert source.grad is not None
    assert source.grad.isfinite().all()


def test_mixed_precision_changes_nothing(device: torch.device) -> None:
    source = sample_points().float().to(device)
    plain = fit_tps(source, source.flip(1)).flow(4, 4)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        mixed = fit_tps(source, source.flip(1)).flow(4, 4)
    assert torch.equal(mixed, plain)


def test_random_spline_is_the_same_for_the_same_seed(device: torch.device) -> None:
    first, again, other = (
        random_tps(2, generator=torch.Generator().manual_seed(seed), device=device).flow(4, 4)
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])


@pytest.mark.parametrize(("sigma_affine", "sigma_tps"), [(0.05, 0.0), (0.0, 0.005)])
def test_random_spline_has_the_given_spread(sigma_affine: float, sigma_tps: float) -> None:
    spline = random_tps(
        2000,
        sigma_affine=sigma_affine,
        sigma_tps=sigma_tps,
        generator=torch.Generator().manual_seed(0),
    )
    affine_noise = spline.affine - torch.eye(3, 2)
    assert affine_noise.std().item() == pytest.approx(sigma_affine, rel=0.05)
    assert spline.weights.std().item() == pytest.approx(sigma_tps, rel=0.05)
    assert spline.weights.shape == (2000, 25, 2)
    assert torch.equal(spline.weights[..., 0], spline.weights[..., 1])  # one number for x and y


def test_random_spline_without_spread_is_the_identity() -> None:
    flow = random_tps(2, sigma_affine=0.0, sigma_tps=0.0).flow(3, 5)
    assert torch.equal(flow, identity_grid(3, 5).expand(2, -1, -1, -1))


@pytest.mark.parametrize("metric", METRICS)
def test_random_spline_equals_the_formula_of_the_peers(
    metric: Metric, device: torch.device, dtype: torch.dtype
) -> None:
    """The kernel is r^2 log r^2 of the Euclidean distance in TPSMM, and d^2 log d of |x| + |y| in
    FOMM and MRAA; x and y share their weights."""
    spline, points = sample_spline(1, metric), sample_points(1)
    expected = []
    for point in points[0]:
        bend = 0.0
        for control, weight in zip(spline.control_points[0], spline.weights[0], strict=True):
            x, y = (point - control).tolist()
            r = math.hypot(x, y) if metric == "euclidean" else abs(x) + abs(y)
            power = 2 if metric == "euclidean" else 1
            bend += weight[0].item() * r**2 * math.log(r**power)
        x, y = point.tolist()
        (a, d), (b, e), (c, f) = spline.affine[0].tolist()
        expected.append([a * x + b * y + c + bend, d * x + e * y + f + bend])
    moved = move(spline, device, dtype)(points.to(device, dtype))
    assert_near(moved, torch.tensor([expected], dtype=torch.float64))


@pytest.mark.parametrize("metric", METRICS)
def test_a_part_of_the_batch_keeps_the_metric(
    metric: Metric, device: torch.device, dtype: torch.dtype
) -> None:
    spline = move(sample_spline(3, metric), device, dtype)
    assert_near(spline[1:].flow(4, 4), spline.flow(4, 4)[1:])


@pytest.mark.parametrize("metric", METRICS)
def test_jacobian_is_the_derivative(
    metric: Metric, device: torch.device, dtype: torch.dtype
) -> None:
    spline = move(sample_spline(2, metric), device, dtype)
    where = sample_points(2, 7).to(device, dtype)
    expected = torch.autograd.functional.jacobian(lambda p: spline(p).sum((0, 1)), where)
    assert_near(spline.jacobian(where), expected.permute(1, 2, 0, 3))


@pytest.mark.parametrize("metric", METRICS)
def test_jacobian_is_differentiable(metric: Metric, device: torch.device) -> None:
    spline = move(sample_spline(2, metric), device, torch.float64)
    where = sample_points(2, 7).to(device).requires_grad_()
    assert torch.autograd.gradcheck(spline.jacobian, (where,))


@pytest.mark.parametrize("metric", METRICS)
def test_jacobian_at_a_control_point_is_finite(
    metric: Metric, device: torch.device, dtype: torch.dtype
) -> None:
    spline = move(sample_spline(1, metric), device, dtype)
    at_control = spline.control_points.clone().requires_grad_()
    found = spline.jacobian(at_control)
    found.sum().backward()
    assert found.isfinite().all()
    assert at_control.grad is not None
    assert at_control.grad.isfinite().all()
