import math

import pytest
import torch
from torch import Tensor

from cpabmm_core.geometry.affine import apply_affine
from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.geometry.tps import Metric, ThinPlateSpline, fit_tps, random_tps


def points(batch: int = 3, count: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(batch, count, 2, generator=generator, dtype=torch.float64) * 2 - 1


def test_without_regularisation_the_spline_passes_through_the_targets() -> None:
    source, target = points(), points().flip(1)
    spline = fit_tps(source, target, regularisation=0.0)
    torch.testing.assert_close(spline(source), target)


def test_affine_motion_is_reproduced_everywhere() -> None:
    matrix = torch.tensor([[0.9, 0.2, 0.1], [-0.1, 1.1, -0.3], [0.0, 0.0, 1.0]]).double()
    matrices = matrix.expand(3, 3, 3)
    spline = fit_tps(points(), apply_affine(matrices, points()), regularisation=0.0)
    grid = identity_grid(4, 6, dtype=torch.float64).expand(3, -1, -1, -1)
    torch.testing.assert_close(spline.flow(4, 6), apply_affine(matrices, grid))


def test_spline_is_the_smoothest_interpolant() -> None:
    """The weights are orthogonal to affine functions (Duchon's side conditions)."""
    source = points()
    spline = fit_tps(source, points().flip(1), regularisation=0.0)
    affine = torch.cat((source, torch.ones_like(source[..., :1])), dim=-1)
    moments = affine.transpose(1, 2) @ spline.weights
    torch.testing.assert_close(moments, torch.zeros_like(moments), rtol=0, atol=1e-9)


def test_gradients_of_fit_and_evaluation() -> None:
    where = identity_grid(2, 3, dtype=torch.float64).view(1, -1, 2)

    def evaluate(source: Tensor, target: Tensor) -> Tensor:
        return fit_tps(source, target)(where)

    source, target = points(1), points(2)[1:]
    assert torch.autograd.gradcheck(evaluate, (source.requires_grad_(), target.requires_grad_()))


def test_gradient_is_finite_where_points_coincide() -> None:
    source = torch.zeros(1, 5, 2, requires_grad=True)
    fit_tps(source, torch.ones(1, 5, 2)).flow(3, 3).sum().backward()
    assert source.grad is not None
    assert source.grad.isfinite().all()


def test_mixed_precision_changes_nothing() -> None:
    source = points().float()
    plain = fit_tps(source, source.flip(1)).flow(4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = fit_tps(source, source.flip(1)).flow(4, 4)
    assert torch.equal(mixed, plain)


def test_random_spline_is_the_same_for_the_same_seed() -> None:
    first, again, other = (
        random_tps(2, generator=torch.Generator().manual_seed(seed)).flow(4, 4)
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


METRICS: tuple[Metric, ...] = ("euclidean", "manhattan")


def make_spline(batch: int, metric: Metric, sigma_tps: float = 0.05) -> ThinPlateSpline:
    generator = torch.Generator().manual_seed(0)
    found = random_tps(batch, sigma_tps=sigma_tps, metric=metric, generator=generator)
    points, weights, affine = found.control_points, found.weights, found.affine
    return ThinPlateSpline(points.double(), weights.double(), affine.double(), found.metric)


@pytest.mark.parametrize("metric", METRICS)
def test_random_spline_equals_the_peers(metric: Metric) -> None:
    """The kernel is r^2 log r^2 of the Euclidean distance in TPSMM, and d^2 log d of |x| + |y| in
    FOMM and MRAA; x and y share their weights."""
    spline = make_spline(1, metric)
    for point in points(1)[0]:
        bend = 0.0
        for control, weight in zip(spline.control_points[0], spline.weights[0], strict=True):
            x, y = (point - control).tolist()
            r = math.hypot(x, y) if metric == "euclidean" else abs(x) + abs(y)
            power = 2 if metric == "euclidean" else 1
            bend += weight[0].item() * r**2 * math.log(r**power)
        x, y = point.tolist()
        (a, d), (b, e), (c, f) = spline.affine[0].tolist()
        expected = [a * x + b * y + c + bend, d * x + e * y + f + bend]
        assert spline(point.view(1, 1, 2)).flatten().tolist() == pytest.approx(expected)


@pytest.mark.parametrize("metric", METRICS)
def test_a_part_of_the_batch_keeps_the_metric(metric: Metric) -> None:
    spline = make_spline(3, metric)
    assert torch.equal(spline[1:].flow(4, 4), spline.flow(4, 4)[1:])


@pytest.mark.parametrize("metric", METRICS)
def test_jacobian_is_the_derivative(metric: Metric) -> None:
    spline = make_spline(2, metric)
    where = points(2, 7)
    expected = torch.autograd.functional.jacobian(lambda p: spline(p).sum((0, 1)), where)
    torch.testing.assert_close(spline.jacobian(where), expected.permute(1, 2, 0, 3))
    assert torch.autograd.gradcheck(spline.jacobian, (where.requires_grad_(),))


@pytest.mark.parametrize("metric", METRICS)
def test_jacobian_at_a_control_point_is_finite(metric: Metric) -> None:
    spline = make_spline(1, metric)
    at_control = spline.control_points.clone().requires_grad_()
    found = spline.jacobian(at_control)
    found.sum().backward()
    assert found.isfinite().all()
    assert at_control.grad is not None
    assert at_control.grad.isfinite().all()
