"""The GPU engine compared with `plain`, with its kernels in Triton's interpreter on the CPU.

Triton selects the interpreter when it is imported, so these tests need their own process, which
`test_gpu_engine.py` starts. To run them by hand:

TRITON_INTERPRET=1 python -m pytest tests/cpab/interpreted_gpu_engine.py
"""

import pytest
import torch
from _helpers.flows import AFFINE_FIELDS, AffineField
from torch import Tensor

from cpabmm_core.cpab import Tessellation, VelocitySpace, transform, transformation
from cpabmm_core.cpab.engines import agreement, gpu, plain
from cpabmm_core.cpab.space import Boundary

# Relative to the largest value; the comments state the largest differences measured in float32. The
# gradient with respect to a point jumps where its path crosses an edge, and within the slack around
# the edge rounding decides when: `plain` in float32 is as far from `plain` in float64.
END = {torch.float64: 1e-12, torch.float32: 2e-6}  # 2e-7
BY_THETA = {torch.float64: 1e-10, torch.float32: 3e-5}  # 8e-6
BY_POINT = {torch.float64: 1e-10, torch.float32: 3e-4}  # 9e-5
JACOBIAN = {torch.float64: 1e-10, torch.float32: 1e-5}  # 2e-7

pytestmark = pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")


@pytest.fixture(autouse=True)
def _wide_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use wide programs: the interpreter takes the same time for one lane as for hundreds."""
    monkeypatch.setattr(gpu, "_BLOCK", 256)


def random_maps(space: VelocitySpace, batch: int, scale: float, dtype: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    theta = scale * torch.randn(batch, space.dim, generator=generator, dtype=torch.float64)
    return space.affine(theta).to(dtype)


def random_points(batch: int, count: int, dtype: torch.dtype, margin: float = 0.3) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    unit = torch.rand(batch, count, 2, generator=generator, dtype=torch.float64)
    return (unit * (1 + 2 * margin) - margin).to(dtype)


def assert_near(actual: Tensor, expected: Tensor, tolerance: float) -> None:
    """Compare with a tolerance relative to the largest value, or to 1 if that is larger."""
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    assert ((actual - expected).abs().max() / expected.abs().max().clamp_min(1)) < tolerance


def assert_engines_agree(space: VelocitySpace, affine: Tensor, points: Tensor) -> None:
    dtype = affine.dtype
    gradient = random_points(len(points), points.shape[1], dtype, margin=-1.0)
    end, record = gpu.forward(space, affine, points, record=True)
    true_end, rounds = plain.forward(space, affine, points, record=True)
    assert_near(end, true_end, END[dtype])
    by_map, by_point = gpu.backward(space, affine, record, gradient)
    true_by_map, true_by_point = plain.backward(space, affine, rounds, gradient)
    # By theta: at an edge either cell may own the gradient, but theta receives the same.
    basis = space.tensor("basis", affine).flatten(1)
    by_theta, true_by_theta = (maps.flatten(1) @ basis.T for maps in (by_map, true_by_map))
    assert_near(by_theta, true_by_theta, BY_THETA[dtype])
    assert_near(by_point, true_by_point, BY_POINT[dtype])


@pytest.mark.parametrize("dtype", END)
@pytest.mark.parametrize(("squares", "boundary"), [((3, 2), "free"), ((1, 4), "zero")])
def test_equals_plain(squares: tuple[int, int], boundary: Boundary, dtype: torch.dtype) -> None:
    space = VelocitySpace(Tessellation(*squares), boundary)
    points = random_points(2, 60, dtype, margin=0.3 if boundary == "free" else 0.0)
    assert_engines_agree(space, random_maps(space, 2, 1.0, dtype), points)


def test_points_fill_several_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some programs have points of two transformations, and the last one is not full."""
    monkeypatch.setattr(gpu, "_BLOCK", 32)
    space = VelocitySpace(Tessellation(2, 2))
    maps = random_maps(space, 3, 0.3, torch.float32)
    assert_engines_agree(space, maps, random_points(3, 23, torch.float32))


@pytest.mark.parametrize("dtype", END)
def test_starts_on_vertices_edges_and_borders(dtype: torch.dtype) -> None:
    """Compare only end points: on an edge the gradient is that of either side."""
    space = VelocitySpace(Tessellation(4, 2))
    axis = torch.linspace(-0.25, 1.25, 13, dtype=dtype)  # multiples of 1/8
    points = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1).view(1, -1, 2)
    affine = random_maps(space, 1, 0.6, dtype)
    end, _ = gpu.forward(space, affine, points, record=False)
    true_end, _ = plain.forward(space, affine.double(), points.double(), record=False)
    assert_near(end.double(), true_end, END[dtype])


def test_path_along_an_edge_stays_on_it() -> None:
    space = VelocitySpace(Tessellation(4, 4))
    affine = torch.tensor([[0, 0, 0.31], [0, 0, 0.31]]).expand(1, space.tessellation.cells, 2, 3)
    start = torch.linspace(0, 0.6, 200)
    points = torch.stack([start, start], dim=1)[None]
    end, record = gpu.forward(space, affine, points, record=True)
    torch.testing.assert_close(end, points + 0.31, atol=1e-5, rtol=0)
    _, by_point = gpu.backward(space, affine, record, points)
    torch.testing.assert_close(by_point, points)


@pytest.mark.parametrize("dtype", END)
def test_path_that_leaves_its_cell_and_returns_within_a_step(dtype: torch.dtype) -> None:
    """A rotation by 1.8 radians crosses the diagonal x = y, where the field changes."""
    space = VelocitySpace(Tessellation(1, 1))
    centre, turn, wind = torch.tensor([0.4, 0.1]), 1.8, torch.tensor([0.5, -0.2])
    above = torch.tensor([[0, -turn, turn * centre[1]], [turn, 0, -turn * centre[0]]])
    below = above + wind[:, None] * torch.tensor([-1.0, 1, 0])
    affine = torch.stack([above, above, below, below])[None].to(dtype)
    angle = torch.linspace(1.42, 1.47, 9)
    radius = torch.linspace(0.31, 0.28, 9)
    points = centre + radius[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    assert (points[:, 0] > points[:, 1]).all()
    turned = centre + radius[:, None] * torch.stack(
        [(angle + turn).cos(), (angle + turn).sin()], dim=1
    )
    assert (turned[:, 0] > turned[:, 1]).all()
    points = points[None].to(dtype)
    end, _ = gpu.forward(space, affine, points, record=False)
    true_end, _ = plain.forward(space, affine.double(), points.double(), record=False)
    assert_near(end.double(), true_end, END[dtype])
    assert (end - turned).norm(dim=2).min() > 0.01


def test_affine_fields_have_closed_forms() -> None:
    """End points and gradients by exp(A)^T, including converging paths."""
    sink = AffineField("sink", torch.tensor([[-5, 0, 2.5], [0, -4, 2.0]]).double())
    fields = [*AFFINE_FIELDS, sink]
    space = VelocitySpace(Tessellation(2, 1))
    affine = space.affine(torch.cat([field.theta(space) for field in fields]))
    points = random_points(len(fields), 5, torch.float64)
    gradient = random_points(len(fields), 5, torch.float64, margin=-1.0)
    end, record = gpu.forward(space, affine, points, record=True)
    _, by_point = gpu.backward(space, affine, record, gradient)
    for b, field in enumerate(fields):
        growth = torch.linalg.matrix_exp(field.matrix[:, :2])
        assert_near(end[b], field.flow(points[b]), 1e-12)
        assert_near(by_point[b], gradient[b] @ growth, 1e-10)


@pytest.mark.parametrize("dtype", END)
def test_jacobian_equals_plain(dtype: torch.dtype) -> None:
    space = VelocitySpace(Tessellation(2, 1))
    affine, points = random_maps(space, 2, 1.0, dtype), random_points(2, 2, dtype)
    directions = space.tensor("basis", affine)
    end, jacobian = gpu.jacobian(space, affine, points, directions)
    true_end, true_jacobian = plain.jacobian(space, affine, points, directions)
    assert_near(end, true_end, END[dtype])
    assert_near(jacobian, true_jacobian, JACOBIAN[dtype])


def test_jacobian_of_many_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The directions outnumber the lanes of a program, and the last program is not full."""
    monkeypatch.setattr(gpu, "_LANES", 4)
    space = VelocitySpace(Tessellation(1, 1))
    affine, points = random_maps(space, 1, 1.0, torch.float64), random_points(1, 2, torch.float64)
    basis = space.tensor("basis", affine)
    assert len(basis) % 4
    _, jacobian = gpu.jacobian(space, affine, points, basis)
    assert_near(jacobian, plain.jacobian(space, affine, points, basis)[1], 1e-12)


@pytest.mark.parametrize("dtype", END)
def test_the_check_on_first_use_accepts_the_kernels(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    """On a GPU the check uses the programs as they are, hence the warps here."""
    monkeypatch.setattr(gpu, "_BLOCK", 32)
    shares = agreement.shares_of_bounds(gpu, torch.device("cpu"), dtype)
    assert max(shares.values()) < 0.02


def test_transform_differentiates_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    space = VelocitySpace(Tessellation(2, 1), "zero")
    generator = torch.Generator().manual_seed(0)
    theta = torch.randn(2, space.dim, generator=generator, dtype=torch.float64, requires_grad=True)
    points = random_points(2, 9, torch.float64).requires_grad_()

    def gradients() -> tuple[Tensor, ...]:
        return torch.autograd.grad(transform(space, theta, points).cos().sum(), (theta, points))

    expected = gradients()
    monkeypatch.setattr(transformation, "engine_for", lambda _: gpu)
    for mine, other in zip(gradients(), expected, strict=True):
        assert_near(mine, other, 1e-10)


def test_a_record_is_a_copy() -> None:
    """Callers may change the end points in place."""
    space = VelocitySpace(Tessellation(2, 2))
    affine, points = random_maps(space, 1, 0.5, torch.float64), random_points(1, 5, torch.float64)
    end, record = gpu.forward(space, affine, points, record=True)
    kept = end.clone()
    end.zero_()
    assert torch.equal(record, kept)


def test_other_layouts_and_dtypes() -> None:
    """Points of another dtype than the maps, and non-contiguous tensors."""
    space = VelocitySpace(Tessellation(2, 2))
    affine = random_maps(space, 2, 0.5, torch.float64)
    points = random_points(2, 5, torch.float64)
    end, record = gpu.forward(space, affine, points, record=True)
    strided = affine.transpose(2, 3).contiguous().transpose(2, 3)
    flipped, _ = gpu.forward(space, strided, points.float().mT.contiguous().mT, record=False)
    assert flipped.dtype == torch.float32
    assert_near(flipped.double(), end, 2e-6)
    one = torch.ones((), dtype=torch.float64)
    by_map, by_point = gpu.backward(space, affine, record, one.expand(2, 5, 2))
    same_by_map, same_by_point = gpu.backward(space, strided, record, one.repeat(2, 5, 2))
    torch.testing.assert_close(by_map, same_by_map)
    torch.testing.assert_close(by_point, same_by_point)


@pytest.mark.parametrize(("batch", "count"), [(0, 5), (2, 0), (0, 0)])
def test_empty_batches(batch: int, count: int) -> None:
    space = VelocitySpace(Tessellation(2, 2))
    affine, points = torch.zeros(batch, 16, 2, 3), torch.zeros(batch, count, 2)
    end, record = gpu.forward(space, affine, points, record=True)
    by_map, by_point = gpu.backward(space, affine, record, points)
    _, jacobian = gpu.jacobian(space, affine, points, space.tensor("basis", affine))
    assert end.shape == by_point.shape == points.shape
    assert torch.equal(by_map, affine)
    assert jacobian.shape == (batch, count, 2, space.dim)


def test_identity_is_exact() -> None:
    space = VelocitySpace(Tessellation(3, 3))
    points = random_points(1, 50, torch.float32)
    end, _ = gpu.forward(space, torch.zeros(1, 36, 2, 3), points, record=False)
    assert torch.equal(end, points)


@pytest.mark.parametrize("dtype", END)
def test_nan_stays_nan_and_affects_no_other_point(dtype: torch.dtype) -> None:
    space = VelocitySpace(Tessellation(2, 2))
    affine, points = random_maps(space, 2, 0.5, dtype), random_points(2, 9, dtype)
    whole, _ = gpu.forward(space, affine, points, record=False)
    points[0, 3, 1], points[0, 4], affine[1] = torch.nan, torch.inf, torch.nan
    end, record = gpu.forward(space, affine, points, record=True)
    assert not end[0, 3:5].isfinite().any()
    assert end[1].isnan().all()
    others = [0, 1, 2, 5, 6, 7, 8]
    assert torch.equal(end[0, others], whole[0, others])
    by_map, by_point = gpu.backward(space, affine, record, torch.ones_like(points))
    assert by_map[0].isnan().any()
    assert by_point[0, others].isfinite().all()
    assert by_point[1].isnan().all()
    _, jacobian = gpu.jacobian(space, affine, points[:, 3:4], space.tensor("basis", affine)[:2])
    assert jacobian.isnan().any(dim=2).all()


@pytest.mark.parametrize("speed", [1e3, 1e19, 1e38])
def test_overflowing_paths_end(speed: float) -> None:
    """A path that leaves the finite numbers stops, so its program ends."""
    space = VelocitySpace(Tessellation(2, 2))
    away = torch.tensor([[speed, 0, 0.0], [0, speed, 0.0]]).expand(1, 16, 2, 3)
    points = random_points(1, 5, torch.float32, margin=-0.1)
    end, record = gpu.forward(space, away, points, record=True)
    assert not end.isfinite().all(dim=2).any()
    _, by_point = gpu.backward(space, away, record, points)
    assert by_point.shape == points.shape
