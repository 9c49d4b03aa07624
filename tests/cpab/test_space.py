import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cpabmm_core.cpab import Tessellation, VelocitySpace
from cpabmm_core.cpab.space import Boundary
from cpabmm_core.errors import ConfigError

GOLDEN = Path(__file__).parents[1] / "golden" / "cpab"
CASES = json.loads((GOLDEN / "transforms.json").read_text())


def space_of(case: dict[str, Any]) -> VelocitySpace:
    return VelocitySpace(
        Tessellation(case["cells_per_side"], case["cells_per_side"]),
        boundary="zero" if case["zero_boundary"] else "free",
        volume_preserving=case["volume_preserving"],
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["tag"])
def test_dimension_and_cells_are_those_of_libcpab(case: dict[str, Any]) -> None:
    space = space_of(case)
    vertices = np.load(GOLDEN / "transforms.npz")[f"{case['tag']}_vertices"]
    tess = space.tessellation
    assert space.dim == case["dim"]
    np.testing.assert_allclose(tess.vertices[tess.triangles], vertices, atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["tag"])
def test_space_holds_the_fields_of_libcpab(case: dict[str, Any]) -> None:
    space = space_of(case)
    golden = np.load(GOLDEN / "transforms.npz")[f"{case['tag']}_affine"]
    affine = torch.from_numpy(golden).double()[None]
    again = space.affine(space.coordinates(affine))
    assert (again - affine).abs().max() < 1e-6 * affine.abs().max()


@pytest.mark.parametrize(("nx", "ny"), [(1, 3), (2, 3), (5, 2)])
@pytest.mark.parametrize("boundary", ["free", "zero"])
@pytest.mark.parametrize("volume_preserving", [False, True])
def test_basis_is_orthonormal_and_admissible(
    nx: int, ny: int, boundary: Boundary, volume_preserving: bool
) -> None:
    tess = Tessellation(nx, ny)
    space = VelocitySpace(tess, boundary, volume_preserving)
    flat = space.basis.flatten(1)
    torch.testing.assert_close(flat @ flat.T, torch.eye(space.dim, dtype=torch.float64))

    at_vertices = np.einsum(
        "dcij,cvj->dcvi",
        space.basis.numpy(),
        np.concatenate([tess.vertices[tess.triangles], np.ones((tess.cells, 3, 1))], axis=2),
    )
    shared = space.vertex_basis.numpy()[:, tess.triangles]
    np.testing.assert_allclose(at_vertices, shared, atol=1e-12)  # continuity
    if boundary == "zero":
        for axis in range(2):
            wall = np.isin(tess.vertices[:, axis], (0.0, 1.0))
            assert np.abs(space.vertex_basis.numpy()[:, wall, axis]).max() < 1e-12
    if volume_preserving:
        trace = space.basis[:, :, 0, 0] + space.basis[:, :, 1, 1]
        assert trace.abs().max() < 1e-12


def test_free_fields_are_continuous_outside_the_square() -> None:
    space = VelocitySpace(Tessellation(3, 2))
    generator = torch.Generator().manual_seed(0)
    theta = torch.randn(1, space.dim, generator=generator, dtype=torch.float64)
    affine = space.affine(theta)[0]
    points = torch.rand(4000, 2, generator=generator, dtype=torch.float64) * 3 - 1
    step = 1e-7 * torch.randn(4000, 2, generator=generator, dtype=torch.float64)

    def velocity(p: torch.Tensor) -> torch.Tensor:
        cell = space.tessellation.locate(p[:, 0], p[:, 1])
        return (affine[cell] @ torch.cat([p, torch.ones(len(p), 1)], dim=1)[..., None]).squeeze(-1)

    assert (velocity(points + step) - velocity(points)).abs().max() < 1e-5


def test_every_cell_owns_its_half_planes() -> None:
    tess = Tessellation(3, 4)
    points = (
        torch.rand(5000, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 3 - 1
    )
    cells = tess.locate(points[:, 0], points[:, 1]).numpy()
    homogeneous = np.concatenate([points.numpy(), np.ones((5000, 1))], axis=1)
    assert np.einsum("pkj,pj->pk", tess.half_planes[cells], homogeneous).min() > -1e-12
    assert set(cells) == set(range(tess.cells))


@pytest.mark.parametrize("cells", [4, 6])
@pytest.mark.parametrize("boundary", ["free", "zero"])
def test_the_basis_is_pinned(cells: int, boundary: Boundary) -> None:
    """Files contain theta, so the basis must not change."""
    space = VelocitySpace(Tessellation(cells, cells), boundary)
    theta = torch.sin(torch.arange(1, space.dim + 1, dtype=torch.float64))[None]
    pinned = np.load(GOLDEN / "basis.npz")[f"{cells}_{boundary}"]
    np.testing.assert_allclose(space.affine(theta)[0].numpy(), pinned, atol=1e-9)


def test_the_flat_basis_is_copied_only_once() -> None:
    space = VelocitySpace(Tessellation(2, 2))
    flat = space.tensor("flat_basis", torch.zeros(1))
    assert flat is space.tensor("flat_basis", torch.zeros(1))
    torch.testing.assert_close(flat, space.basis.flatten(1).float())


def test_space_without_any_field_is_empty() -> None:
    """One square has no divergence-free field with a zero boundary except 0."""
    assert VelocitySpace(Tessellation(1, 1), "zero", volume_preserving=True).dim == 0


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ConfigError, match="boundary: expected free or zero"):
        VelocitySpace(Tessellation(2, 2), "open")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="at least 1 x 1"):
        Tessellation(0, 3)
