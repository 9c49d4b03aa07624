import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _helpers.flows import AFFINE_FIELDS, AffineField
from torch import Tensor

from cpabmm_core.cpab import Tessellation, VelocitySpace, transform
from cpabmm_core.cpab.engines import plain
from cpabmm_core.cpab.reference import transform_point
from cpabmm_core.cpab.space import Boundary
from cpabmm_core.cpab.transformation import transform_with_jacobian

GOLDEN = Path(__file__).parents[1] / "golden" / "cpab"
CASES = json.loads((GOLDEN / "transforms.json").read_text())
# Measured: 4.3e-7 in float32, 3.3e-7 in float64; the golden solver's own error is 3.3e-7.
GOLDEN_TOLERANCE = {torch.float32: 1e-6, torch.float64: 5e-7}
FASTEST = 5.0  # squares per unit of time


def space_of(case: dict[str, Any]) -> VelocitySpace:
    return VelocitySpace(
        Tessellation(case["cells_per_side"], case["cells_per_side"]),
        "zero" if case["zero_boundary"] else "free",
        case["volume_preserving"],
    )


def random_theta(space: VelocitySpace, batch: int, scale: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(batch, space.dim, generator=generator, dtype=torch.float64)


def random_points(batch: int, count: int, margin: float = 0.0, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    unit = torch.rand(batch, count, 2, generator=generator, dtype=torch.float64)
    return unit * (1 + 2 * margin) - margin


@pytest.mark.parametrize("dtype", GOLDEN_TOLERANCE)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["tag"])
def test_golden_truth(case: dict[str, Any], dtype: torch.dtype) -> None:
    arrays = np.load(GOLDEN / "transforms.npz")
    affine, points, truth = (
        torch.from_numpy(arrays[f"{case['tag']}_{name}"]).double()
        for name in ("affine", "points", "truth")
    )
    space = space_of(case)
    theta = space.coordinates(affine[None]).to(dtype)
    moved = transform(space, theta, points[None].to(dtype))[0]
    stays = ~truth.isnan().any(dim=1)
    assert stays.sum() > 50
    assert (moved[stays] - truth[stays]).abs().max() < GOLDEN_TOLERANCE[dtype]


@pytest.mark.parametrize("speed", [None, FASTEST], ids=["as it is", "fast"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["tag"])
def test_golden_fields_equal_the_slow_reference(case: dict[str, Any], speed: float | None) -> None:
    """Measured: 1e-14 in float64 and 2e-7 in float32, relative to the distance from the origin
    where a fast field moves points far.
    """
    arrays = np.load(GOLDEN / "transforms.npz")
    space = space_of(case)
    theta = space.coordinates(torch.from_numpy(arrays[f"{case['tag']}_affine"]).double()[None])
    if speed is not None:
        velocities = (theta @ space.vertex_basis.flatten(1)).view(-1, 2)
        theta = theta * speed / velocities.norm(dim=1).max()
    points = torch.from_numpy(arrays[f"{case['tag']}_points"]).double()[None, :20]
    affine = space.affine(theta)[0].numpy()
    slow = np.array([transform_point(space.tessellation, affine, p) for p in points[0].numpy()])
    reach = max(1.0, np.abs(slow).max())
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 2e-6)):
        moved = transform(space, theta.to(dtype), points.to(dtype))[0]
        np.testing.assert_allclose(moved.double().numpy(), slow, atol=tolerance * reach, rtol=0)


@pytest.mark.parametrize("field", AFFINE_FIELDS, ids=lambda field: field.name)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 5e-7), (torch.float64, 1e-13)])
def test_affine_fields_move_in_closed_form(
    field: AffineField, dtype: torch.dtype, tolerance: float
) -> None:
    space = VelocitySpace(Tessellation(4, 3))
    points = random_points(1, 300, margin=0.5)
    moved = transform(space, field.theta(space).to(dtype), points.to(dtype))
    assert (moved - field.flow(points)).abs().max() < tolerance


@pytest.mark.parametrize("boundary", ["free", "zero"])
def test_equals_the_slow_reference(boundary: Boundary) -> None:
    space = VelocitySpace(Tessellation(3, 4), boundary)
    theta = random_theta(space, 1, 1.0)
    points = random_points(1, 60)
    moved = transform(space, theta, points)[0].numpy()
    affine = space.affine(theta)[0].numpy()
    slow = np.array([transform_point(space.tessellation, affine, p) for p in points[0].numpy()])
    np.testing.assert_allclose(moved, slow, atol=1e-10)


def test_starts_on_vertices_edges_and_borders_equal_the_reference() -> None:
    space = VelocitySpace(Tessellation(2, 2))
    theta = random_theta(space, 1, 0.6, seed=3)
    starts = [(0, 0), (0.5, 0.5), (0.25, 0.25), (0.5, 0.2), (0.1, 0.1), (1, 0.3), (0.7, 1), (1, 1)]
    points = torch.tensor([starts], dtype=torch.float64)
    affine = space.affine(theta)[0].numpy()
    slow = np.array([transform_point(space.tessellation, affine, p) for p in points[0].numpy()])
    np.testing.assert_allclose(transform(space, theta, points)[0].numpy(), slow, atol=1e-10)
    in_float32 = transform(space, theta.float(), points.float())[0]
    np.testing.assert_allclose(in_float32.numpy(), slow, atol=1e-6)


def test_path_along_an_edge_stays_on_it() -> None:
    """Rounding must not make a path along an edge alternate between cells."""
    space = VelocitySpace(Tessellation(4, 4))
    along_diagonal = AffineField("diagonal", torch.tensor([[0, 0, 0.31], [0, 0, 0.31]]).double())
    theta = along_diagonal.theta(space).float()
    start = torch.linspace(0, 0.6, 200)
    points = torch.stack([start, start], dim=1)[None]
    torch.testing.assert_close(transform(space, theta, points), points + 0.31, atol=1e-5, rtol=0)


def test_slow_paths_from_edges_take_few_rounds() -> None:
    """A slow path across an edge must not take many steps because of rounding."""
    space = VelocitySpace(Tessellation(4, 4))
    theta = random_theta(space, 10, 0.05).float()
    axis = torch.linspace(0, 1, 65)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1).view(1, -1, 2)
    points = grid.expand(10, -1, -1)
    _, rounds = plain.forward(space, space.affine(theta), points, record=True)
    assert len(rounds) <= 20


@pytest.mark.parametrize("boundary", ["free", "zero"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-13)])
def test_inverse_undoes(boundary: Boundary, dtype: torch.dtype, tolerance: float) -> None:
    space = VelocitySpace(Tessellation(4, 4), boundary)
    theta = random_theta(space, 3, 0.5).to(dtype)
    points = random_points(3, 200, margin=0.2).to(dtype)
    there = transform(space, theta, points)
    back = transform(space, theta, there, inverse=True)
    assert (there - points).abs().max() > 0.05
    assert (back - points).abs().max() < tolerance


def test_zero_boundary_keeps_the_square() -> None:
    space = VelocitySpace(Tessellation(3, 3), "zero")
    theta = random_theta(space, 1, 1.5)
    border = torch.rand(1, 100, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    border[:, :50, 0] = 0
    border[:, 50:, 1] = 1
    moved = transform(space, theta, border)
    assert moved[:, :50, 0].abs().max() < 1e-12
    assert (moved[:, 50:, 1] - 1).abs().max() < 1e-12
    outside = border + torch.tensor([-0.3, 0.0], dtype=torch.float64)
    shifted = transform(space, theta, outside[:, :50]) - moved[:, :50]
    torch.testing.assert_close(shifted, torch.tensor([-0.3, 0.0]).double().expand_as(shifted))


@pytest.mark.parametrize("boundary", ["free", "zero"])
def test_gradcheck(boundary: Boundary) -> None:
    space = VelocitySpace(Tessellation(3, 2), boundary)
    theta = random_theta(space, 2, 0.7).requires_grad_()
    points = random_points(2, 6, margin=0.25).requires_grad_()
    assert torch.autograd.gradcheck(lambda t, p: transform(space, t, p), (theta, points))


def test_jacobian_equals_autograd() -> None:
    space = VelocitySpace(Tessellation(2, 3))
    theta, points = random_theta(space, 2, 0.7), random_points(2, 4)
    end, jacobian = transform_with_jacobian(space, theta, points)
    for b in range(2):
        by_autograd = torch.autograd.functional.jacobian(
            lambda t, b=b: transform(space, t, points[b : b + 1])[0], theta[b : b + 1]
        )
        torch.testing.assert_close(jacobian[b], by_autograd[:, :, 0])
    torch.testing.assert_close(end, transform(space, theta, points))


def test_second_derivatives_are_refused() -> None:
    space = VelocitySpace(Tessellation(2, 2))
    theta = random_theta(space, 1, 0.5).requires_grad_()
    moved = transform(space, theta, random_points(1, 3))
    (gradient,) = torch.autograd.grad(moved.square().sum(), theta, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize(("batch", "count"), [(0, 5), (2, 0), (0, 0)])
def test_empty_batches(batch: int, count: int) -> None:
    space = VelocitySpace(Tessellation(2, 2))
    theta = torch.zeros(batch, space.dim, requires_grad=True)
    moved = transform(space, theta, torch.zeros(batch, count, 2))
    assert moved.shape == (batch, count, 2)
    moved.sum().backward()


def test_identity_is_exact_and_nan_stays_nan() -> None:
    space = VelocitySpace(Tessellation(4, 4))
    points = random_points(1, 50).float()
    assert torch.equal(transform(space, torch.zeros(1, space.dim), points), points)
    assert transform(space, torch.full((1, space.dim), float("nan")), points).isnan().all()


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
