import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _helpers.flows import AFFINE_FIELDS, AffineField
from _helpers.tolerances import Tolerance
from torch import Tensor

from cpabmm_core.cpab import Tessellation, VelocitySpace, transform
from cpabmm_core.cpab.engines import plain
from cpabmm_core.cpab.reference import transform_point
from cpabmm_core.cpab.space import Boundary
from cpabmm_core.cpab.transformation import transform_with_jacobian

FOLDER = Path(__file__).parents[1] / "golden" / "cpab"
CASES = json.loads((FOLDER / "transforms.json").read_text())

# The comments state the largest errors measured on a CPU, in the same order; the last one with the
# engine `plain` in float32. The GPU engine's own errors in float32 are not measured here.
GOLDEN = Tolerance(5e-7, 1e-6, 1e-5)  # 3.3e-7 (the golden solver's own error), 4.2e-7, 2.3e-6
REFERENCE = Tolerance(
    1e-12, 2e-6, 5e-5
)  # relative to the largest coordinate: 1e-13, 1.1e-6, 1.2e-5
CLOSED_FORM = Tolerance(1e-13, 5e-7, 5e-6)  # 4.2e-14, 3.1e-7, 1.2e-6
EDGE = Tolerance(1e-14, 1e-6, 1e-6)  # 9e-16, 4e-8, 8e-8
INVERSE = Tolerance(1e-14, 1e-6, 1e-6)  # 4e-16, 1.2e-7, 2.4e-7
BORDER = Tolerance(1e-12, 1e-6, 1e-6)  # 1e-16, 4e-8, 4e-8
JACOBIAN = Tolerance(1e-12, 1e-6, 1e-4)  # relative to the largest value: 6e-16, 9e-8, 1.1e-5

FASTEST = 5.0  # squares per unit of time


def space_of(case: dict[str, Any]) -> VelocitySpace:
    return VelocitySpace(
        Tessellation(case["cells_per_side"], case["cells_per_side"]),
        "zero" if case["zero_boundary"] else "free",
        case["volume_preserving"],
    )


def slow_reference(space: VelocitySpace, theta: Tensor, points: Tensor) -> Tensor:  # (P, 2)
    """Move (1, P, 2) points on the CPU by the reference implementation, in float64."""
    affine = space.affine(theta)[0].numpy()
    moved = [transform_point(space.tessellation, affine, p) for p in points[0].numpy()]
    return torch.from_numpy(np.array(moved))


def assert_near(actual: Tensor, expected: Tensor, tolerance: Tolerance, scale: float = 1.0) -> None:
    """Compare with float64 on the CPU; the tolerance depends on the device and dtype."""
    error = (actual.detach().cpu().double() - expected).abs().max().item()
    assert error < scale * tolerance.of(actual)


def random_theta(space: VelocitySpace, batch: int, scale: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(batch, space.dim, generator=generator, dtype=torch.float64)


def random_points(batch: int, count: int, margin: float = 0.0, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    unit = torch.rand(batch, count, 2, generator=generator, dtype=torch.float64)
    return unit * (1 + 2 * margin) - margin


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["tag"])
def test_golden_truth(case: dict[str, Any], device: torch.device, dtype: torch.dtype) -> None:
    arrays = np.load(FOLDER / "transforms.npz")
    affine, points, truth = (
        torch.from_numpy(arrays[f"{case['tag']}_{name}"]).double()
        for name in ("affine", "points", "truth")
    )
    space = space_of(case)
    theta = space.coordinates(affine[None]).to(device, dtype)
    moved = transform(space, theta, points[None].to(device, dtype))[0]
    stays = ~truth.isnan().any(dim=1)
    assert stays.sum() > 50
    assert_near(moved[stays.to(device)], truth[stays], GOLDEN)


@lru_cache
def golden_fields(tag: str, speed: float | None) -> tuple[VelocitySpace, Tensor, Tensor, Tensor]:
    """Return space, theta, points and points moved by the reference, in float64 on the CPU.

    With `speed`, the field is scaled to that largest velocity.
    """
    arrays = np.load(FOLDER / "transforms.npz")
    space = space_of(next(case for case in CASES if case["tag"] == tag))
    theta = space.coordinates(torch.from_numpy(arrays[f"{tag}_affine"]).double()[None])
    if speed is not None:
        velocities = (theta @ space.vertex_basis.flatten(1)).view(-1, 2)
        theta = theta * speed / velocities.norm(dim=1).max()
    points = torch.from_numpy(arrays[f"{tag}_points"]).double()[None, :20]
    return space, theta, points, slow_reference(space, theta, points)


@pytest.mark.parametrize("speed", [None, FASTEST], ids=["original", "fast"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["tag"])
def test_golden_fields_equal_the_slow_reference(
    case: dict[str, Any], speed: float | None, device: torch.device, dtype: torch.dtype
) -> None:
    space, theta, points, expected = golden_fields(case["tag"], speed)
    moved = transform(space, theta.to(device, dtype), points.to(device, dtype))[0]
    # A fast field moves points far.
    assert_near(moved, expected, REFERENCE, max(1.0, expected.abs().max().item()))


@pytest.mark.parametrize("field", AFFINE_FIELDS, ids=lambda field: field.name)
def test_affine_fields_move_in_closed_form(
    field: AffineField, device: torch.device, dtype: torch.dtype
) -> None:
    space = VelocitySpace(Tessellation(4, 3))
    points = random_points(1, 300, margin=0.5)
    moved = transform(space, field.theta(space).to(device, dtype), points.to(device, dtype))
    assert_near(moved, field.flow(points), CLOSED_FORM)


@pytest.mark.parametrize("boundary", ["free", "zero"])
def test_equals_the_slow_reference(
    boundary: Boundary, device: torch.device, dtype: torch.dtype
) -> None:
    space = VelocitySpace(Tessellation(3, 4), boundary)
    theta, points = random_theta(space, 1, 1.0), random_points(1, 60)
    moved = transform(space, theta.to(device, dtype), points.to(device, dtype))[0]
    assert_near(moved, slow_reference(space, theta, points), REFERENCE)


def test_starts_on_vertices_edges_and_borders_equal_the_reference(
    device: torch.device, dtype: torch.dtype
) -> None:
    space = VelocitySpace(Tessellation(2, 2))
    theta = random_theta(space, 1, 0.6, seed=3)
    starts = [(0, 0), (0.5, 0.5), (0.25, 0.25), (0.5, 0.2), (0.1, 0.1), (1, 0.3), (0.7, 1), (1, 1)]
    points = torch.tensor([starts], dtype=torch.float64)
    moved = transform(space, theta.to(device, dtype), points.to(device, dtype))[0]
    assert_near(moved, slow_reference(space, theta, points), REFERENCE)


def test_path_along_an_edge_stays_on_it(device: torch.device, dtype: torch.dtype) -> None:
    """Rounding must not make a path along an edge alternate between cells."""
    space = VelocitySpace(Tessellation(4, 4))
    along_diagonal = AffineField("diagonal", torch.tensor([[0, 0, 0.31], [0, 0, 0.31]]).double())
    start = torch.linspace(0, 0.6, 200, dtype=torch.float64)
    points = torch.stack([start, start], dim=1)[None]
    theta = along_diagonal.theta(space).to(device, dtype)
    moved = transform(space, theta, points.to(device, dtype))
    assert_near(moved, along_diagonal.flow(points), EDGE)


def test_slow_paths_from_edges_take_few_rounds(device: torch.device) -> None:
    """A slow path across an edge must not take many steps because of rounding."""
    space = VelocitySpace(Tessellation(4, 4))
    theta = random_theta(space, 10, 0.05).float().to(device)
    axis = torch.linspace(0, 1, 65)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1).view(1, -1, 2)
    points = grid.expand(10, -1, -1).to(device)
    _, rounds = plain.forward(space, space.affine(theta), points, record=True)
    assert len(rounds) <= 20


@pytest.mark.parametrize("boundary", ["free", "zero"])
def test_inverse_undoes(boundary: Boundary, device: torch.device, dtype: torch.dtype) -> None:
    space = VelocitySpace(Tessellation(4, 4), boundary)
    theta = random_theta(space, 3, 0.5).to(device, dtype)
    points = random_points(3, 200, margin=0.2).to(device, dtype)
    there = transform(space, theta, points)
    back = transform(space, theta, there, inverse=True)
    assert (there - points).abs().max() > 0.05
    assert_near(back, points.cpu().double(), INVERSE)


def test_zero_boundary_keeps_the_square(device: torch.device, dtype: torch.dtype) -> None:
    space = VelocitySpace(Tessellation(3, 3), "zero")
    theta = random_theta(space, 1, 1.5).to(device, dtype)
    border = torch.rand(1, 100, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    border[:, :50, 0] = 0
    border[:, 50:, 1] = 1
    border = border.to(device, dtype)
    moved = transform(space, theta, border)
    assert_near(moved[:, :50, 0], torch.zeros(1, 50), BORDER)
    assert_near(moved[:, 50:, 1], torch.ones(1, 50), BORDER)
    outside = border[:, :50] + border.new_tensor([-0.3, 0.0])
    shifted = transform(space, theta, outside) - moved[:, :50]
    assert_near(shifted, torch.tensor([-0.3, 0.0], dtype=torch.float64).expand(1, 50, 2), BORDER)


@pytest.mark.parametrize("boundary", ["free", "zero"])
def test_gradcheck(boundary: Boundary, device: torch.device) -> None:
    space = VelocitySpace(Tessellation(3, 2), boundary)
    theta = random_theta(space, 2, 0.7).to(device).requires_grad_()
    points = random_points(2, 6, margin=0.25).to(device).requires_grad_()
    # On a GPU the gradients are sums in no fixed order.
    assert torch.autograd.gradcheck(
        lambda t, p: transform(space, t, p), (theta, points), nondet_tol=1e-12
    )


def test_jacobian_equals_autograd(device: torch.device, dtype: torch.dtype) -> None:
    space = VelocitySpace(Tessellation(2, 3))
    theta, points = random_theta(space, 2, 0.7), random_points(2, 4)
    end, jacobian = transform_with_jacobian(
        space, theta.to(device, dtype), points.to(device, dtype)
    )
    for b in range(2):
        by_autograd = torch.autograd.functional.jacobian(
            lambda t, b=b: transform(space, t, points[b : b + 1])[0], theta[b : b + 1]
        )[:, :, 0]
        assert_near(jacobian[b], by_autograd, JACOBIAN, by_autograd.abs().max().item())
    assert_near(end, transform(space, theta, points), REFERENCE)


def test_second_derivatives_are_refused(device: torch.device) -> None:
    space = VelocitySpace(Tessellation(2, 2))
    theta = random_theta(space, 1, 0.5).to(device).requires_grad_()
    moved = transform(space, theta, random_points(1, 3).to(device))
    (gradient,) = torch.autograd.grad(moved.square().sum(), theta, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize(("batch", "count"), [(0, 5), (2, 0), (0, 0)])
def test_empty_batches(batch: int, count: int, device: torch.device, dtype: torch.dtype) -> None:
    space = VelocitySpace(Tessellation(2, 2))
    theta = torch.zeros(batch, space.dim, device=device, dtype=dtype, requires_grad=True)
    moved = transform(space, theta, theta.new_zeros(batch, count, 2))
    assert moved.shape == (batch, count, 2)
    moved.sum().backward()


def test_identity_is_exact_and_nan_stays_nan(device: torch.device, dtype: torch.dtype) -> None:
    space = VelocitySpace(Tessellation(4, 4))
    points = random_points(1, 50).to(device, dtype)
    assert torch.equal(transform(space, points.new_zeros(1, space.dim), points), points)
    nan = points.new_full((1, space.dim), float("nan"))
    assert transform(space, nan, points).isnan().all()


@pytest.mark.parametrize(
    ("theta", "points", "message"),
    [
        (torch.zeros(1, 3), torch.zeros(1, 2, 2), r"theta: expected \(B, "),
        (torch.zeros(2, 20), torch.zeros(1, 2, 2), r"points: expected \(2, P, 2\)"),
        (torch.zeros(1, 20).half(), torch.zeros(1, 2, 2).half(), "float32 or both float64"),
        (torch.zeros(1, 20), torch.zeros(1, 2, 2).double(), "float32 or both float64"),
    ],
)
def test_wrong_shapes_are_refused(theta: Tensor, points: Tensor, message: str) -> None:
    space = VelocitySpace(Tessellation(2, 2))
    assert space.dim == 20
    with pytest.raises(ValueError, match=message):
        transform(space, theta, points)
