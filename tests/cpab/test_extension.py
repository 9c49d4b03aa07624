"""The extension of real motion between and beyond the keypoints by the default fit."""

from pathlib import Path

import numpy as np
import pytest
import torch
from _helpers.real_motion import ERRORS, load_real_motion

from cpabmm_core.cpab import Tessellation, VelocitySpace, fit
from cpabmm_core.cpab.prior import smoothness_precision

DATA = Path(__file__).parents[1] / "golden" / "fit"


def test_default_fit_extends_real_motion_no_worse_than_the_papers_adam() -> None:
    """Measured: ratios of 0.93, 0.94 and 0.98; more than 1.6 for TPS."""
    motion = load_real_motion(DATA)
    ours = motion.errors(lambda space, source, target: fit(space, source, target).theta)
    adam = motion.peers["paper_adam"]
    assert all(ours[name] <= adam[name] for name in ERRORS), (ours, adam)


@pytest.mark.parametrize("cells", [(2, 2), (4, 4), (6, 6), (5, 3), (10, 10)])
@pytest.mark.parametrize("boundary", ["free", "zero"])
@pytest.mark.parametrize("volume_preserving", [False, True])
@pytest.mark.parametrize("length_scale", [0.01, 0.2, 10.0])
def test_precision_is_positive_definite(
    cells: tuple[int, int], boundary: str, volume_preserving: bool, length_scale: float
) -> None:
    space = VelocitySpace(
        Tessellation(*cells),
        boundary,  # type: ignore[arg-type]
        volume_preserving,
    )
    precision = smoothness_precision(space, length_scale)
    assert precision.shape == (space.dim, space.dim)
    assert precision.dtype == torch.float64
    torch.testing.assert_close(precision, precision.T)
    assert torch.linalg.eigvalsh(precision).min() > 0


def test_precision_measures_velocities_by_the_priors_covariance() -> None:
    """Roughness is v^T K^-1 v of the vertex velocities, with K computed independently."""
    space = VelocitySpace(Tessellation(3, 2))
    theta = torch.randn(space.dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    velocities = torch.einsum("d,dvi->vi", theta, space.vertex_basis).numpy()
    places = [complex(x, y) for x, y in space.tessellation.vertices]
    scaled = [[3**0.5 * abs(p - q) / 0.2 for q in places] for p in places]
    covariance = np.array([[100 + (1 + s) * np.exp(-s) for s in row] for row in scaled])
    expected = np.trace(velocities.T @ np.linalg.solve(covariance, velocities))
    roughness = (theta @ smoothness_precision(space) @ theta).item()
    assert roughness == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("cells", [2, 4, 8])
def test_translation_costs_almost_nothing(cells: int) -> None:
    space = VelocitySpace(Tessellation(cells, cells))
    affine = torch.zeros(1, space.tessellation.cells, 2, 3, dtype=torch.float64)
    affine[..., 0, 2] = 1
    theta = space.coordinates(affine)[0]
    assert 0.009 < theta @ smoothness_precision(space) @ theta < 0.01


def test_same_motion_is_about_as_rough_on_a_finer_mesh() -> None:
    """The prior depends on positions, not on neighbours: the roughness of a wave is similar."""
    roughness = []
    for cells in (6, 12):
        space = VelocitySpace(Tessellation(cells, cells), "zero")
        x, y = torch.from_numpy(space.tessellation.vertices).T
        wave = torch.stack([torch.sin(np.pi * x) * torch.cos(np.pi * y), 0 * x], dim=1)
        basis = space.vertex_basis.flatten(1)
        theta = torch.linalg.lstsq(basis.T, wave.flatten()).solution
        roughness.append((theta @ smoothness_precision(space) @ theta).item())
    assert roughness[1] == pytest.approx(roughness[0], rel=0.1)
