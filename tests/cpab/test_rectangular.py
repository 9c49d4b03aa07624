"""Tessellations with nx != ny, to detect swapped axes."""

import itertools

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from cpabmm_core.cpab import Tessellation, VelocitySpace, fit, transform
from cpabmm_core.cpab.prior import smoothness_precision
from cpabmm_core.cpab.reference import transform_point
from cpabmm_core.cpab.sampling import sample
from cpabmm_core.cpab.space import Boundary

SIZES = [(6, 3), (1, 5), (3, 1)]
SPACES = [("free", False), ("free", True), ("zero", False), ("zero", True)]

size = pytest.mark.parametrize(("nx", "ny"), SIZES)
kind = pytest.mark.parametrize(("boundary", "volume_preserving"), SPACES)


def sample_theta(space: VelocitySpace, count: int = 1, magnitude: float = 0.1) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return sample(space, count, magnitude=magnitude, generator=generator, dtype=torch.float64)


def random_points(batch: int, count: int, margin: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    unit = torch.rand(batch, count, 2, generator=generator, dtype=torch.float64)
    return unit * (1 + 2 * margin) - margin


def cell_constraints(
    tess: Tessellation, boundary: Boundary, volume_preserving: bool
) -> NDArray[np.float64]:
    """Return rows to which the stacked maps of all cells (6 numbers each) are orthogonal."""
    rows = []

    def require(point: NDArray[np.float64], component: int, plus: int, minus: int | None) -> None:
        row = np.zeros((tess.cells, 2, 3))
        row[plus, component] = [*point, 1]
        if minus is not None:
            row[minus, component] = [-point[0], -point[1], -1]
        rows.append(row)

    for vertex, point in enumerate(tess.vertices):
        owners = np.flatnonzero((tess.triangles == vertex).any(axis=1)).tolist()
        for one, other in itertools.pairwise(owners):
            for component in range(2):
                require(point, component, one, other)
        for axis in range(2):
            if point[axis] not in (0, 1):
                continue
            if boundary == "zero":
                require(point, axis, owners[0], None)
            elif 0 < point[1 - axis] < 1:
                # Two cells extend out of the square on either side of the ray from this vertex.
                wall = (tess.vertices[tess.triangles[owners]][:, :, axis] == point[axis]).sum(1) > 1
                before, after = np.array(owners)[wall].tolist()
                beyond = point + (2 * point[axis] - 1) * np.eye(2)[axis]
                for component in range(2):
                    require(beyond, component, before, after)
    if volume_preserving:
        for cell in range(tess.cells):
            row = np.zeros((tess.cells, 2, 3))
            row[cell, [0, 1], [0, 1]] = 1
            rows.append(row)
    return np.stack(rows).reshape(len(rows), -1)


@size
@kind
def test_dimension_and_basis_follow_from_the_constraints_on_the_cells(
    nx: int, ny: int, boundary: Boundary, volume_preserving: bool
) -> None:
    tess = Tessellation(nx, ny)
    space = VelocitySpace(tess, boundary, volume_preserving)
    constraints = cell_constraints(tess, boundary, volume_preserving)
    assert space.dim == 6 * tess.cells - np.linalg.matrix_rank(constraints, tol=1e-9)
    assert np.abs(constraints @ space.basis.flatten(1).numpy().T).max(initial=0) < 1e-12


@size
@kind
def test_equals_the_slow_reference(
    nx: int, ny: int, boundary: Boundary, volume_preserving: bool
) -> None:
    space = VelocitySpace(Tessellation(nx, ny), boundary, volume_preserving)
    theta, points = sample_theta(space, magnitude=0.2), random_points(1, 30)
    moved = transform(space, theta, points)[0].numpy()
    affine = space.affine(theta)[0].numpy()
    slow = np.array([transform_point(space.tessellation, affine, p) for p in points[0].numpy()])
    np.testing.assert_allclose(moved, slow, atol=1e-10)


@size
@pytest.mark.parametrize("boundary", ["free", "zero"])
def test_transform_is_continuous_and_invertible(nx: int, ny: int, boundary: Boundary) -> None:
    space = VelocitySpace(Tessellation(nx, ny), boundary)
    theta, points = sample_theta(space, 2), random_points(2, 400, margin=0.3)
    moved = transform(space, theta, points)
    nudged = transform(space, theta, points + 1e-7)
    assert (nudged - moved).abs().max() < 1e-5
    back = transform(space, theta, moved, inverse=True)
    assert (back - points).abs().max() < 1e-11
    assert (moved - points).abs().max() > 0.05


@size
def test_a_zero_boundary_keeps_the_square(nx: int, ny: int) -> None:
    space = VelocitySpace(Tessellation(nx, ny), "zero")
    side = torch.linspace(0, 1, 50, dtype=torch.float64)
    for axis, wall in itertools.product(range(2), (0.0, 1.0)):
        border = torch.stack([side, side], dim=1)
        border[:, axis] = wall
        moved = transform(space, sample_theta(space), border[None])[0]
        assert (moved[:, axis] - wall).abs().max() < 1e-12


@size
@kind
def test_swapping_the_axes_gives_the_transposed_tessellation(
    nx: int, ny: int, boundary: Boundary, volume_preserving: bool
) -> None:
    """Swapping x and y maps fields, prior and motion of ny x nx squares to nx x ny."""
    space = VelocitySpace(Tessellation(nx, ny), boundary, volume_preserving)
    turned = VelocitySpace(Tessellation(ny, nx), boundary, volume_preserving)
    assert turned.dim == space.dim
    theta = sample_theta(space, 2)
    swapped = space.tessellation.vertices[:, ::-1]
    distances = np.linalg.norm(turned.tessellation.vertices[:, None] - swapped, axis=2)
    order = torch.from_numpy(distances.argmin(axis=1))
    velocities = torch.einsum("bd,dvi->bvi", theta, space.vertex_basis)[:, order].flip(2)
    basis = turned.vertex_basis.flatten(1)
    other = torch.linalg.lstsq(basis.T, velocities.flatten(1).T).solution.T
    torch.testing.assert_close(other @ basis, velocities.flatten(1))

    points = random_points(2, 100)
    moved = transform(turned, other, points.flip(2)).flip(2)
    torch.testing.assert_close(moved, transform(space, theta, points), atol=1e-11, rtol=0)
    roughness, as_turned = (
        torch.einsum("ba,ac,bc->b", t, smoothness_precision(s), t)
        for t, s in ((theta, space), (other, turned))
    )
    torch.testing.assert_close(roughness, as_turned)


@size
@pytest.mark.parametrize("boundary", ["free", "zero"])
def test_gradcheck(nx: int, ny: int, boundary: Boundary) -> None:
    space = VelocitySpace(Tessellation(nx, ny), boundary)
    theta = sample_theta(space).requires_grad_()
    points = random_points(1, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda t, p: transform(space, t, p), (theta, points))


@size
@pytest.mark.parametrize("solver", ["gauss-newton", "adam"])
def test_a_fit_finds_a_shear(nx: int, ny: int, solver: str) -> None:
    space = VelocitySpace(Tessellation(nx, ny))
    source, others = random_points(1, 40), random_points(1, 90)[:, 40:]

    def sheared(points: Tensor) -> Tensor:
        return points + torch.stack([0.1 * points[..., 1], 0 * points[..., 0] - 0.05], dim=2)

    theta = fit(space, source, sheared(source), solver).theta  # type: ignore[arg-type]
    error = (transform(space, theta, others) - sheared(others)).norm(dim=2).mean()
    assert error < 0.1 * (sheared(others) - others).norm(dim=2).mean()
