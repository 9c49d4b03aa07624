"""Compare priors by the extension of real motion between and beyond the keypoints.

    python -m pytest -s tests/benchmarks/bench_cpab_prior.py

Errors are means in pixels of a 256 x 256 image. The noise of each variant is set so that all leave
the same residual, 1.25e-3 (the paper's Adam: 0.92e-3), on the local fits of the frames of
bench_cpab_fit.py with the seeds 0 to 7. No prior can win by fitting its keypoints less.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest
import torch
from _helpers.real_motion import ERRORS, Fit, RealMotion, load_real_motion
from torch import Tensor

from cpabmm_core.cpab import VelocitySpace, fit, gauss_newton

DATA = Path(__file__).parents[3] / "shared" / "reference" / "fit"

Array = npt.NDArray[np.float64]
Prior = Callable[[VelocitySpace], Tensor]


def fit_with_prior(
    prior: Prior,
    noise: float,
    space: VelocitySpace,
    source: Tensor,  # (B, P, 2)
    target: Tensor,  # (B, P, 2)
) -> Tensor:  # (B, dim)
    """Fit with another prior; the space must be new, because it caches the prior."""
    with mock.patch.object(gauss_newton, "smoothness_precision", lambda space, _: prior(space)):
        return fit(space, source, target, noise=noise).theta


def default_fit(space: VelocitySpace, source: Tensor, target: Tensor) -> Tensor:
    return fit(space, source, target).theta


def graph_laplacian(power: int, space: VelocitySpace) -> Tensor:
    """Return a power of the Laplacian of the triangle mesh, with a ridge of 1e-5."""
    first, second = space.tessellation.edges.T
    laplacian = np.zeros((len(space.tessellation.vertices),) * 2)
    laplacian[first, second] = laplacian[second, first] = -1.0
    np.fill_diagonal(laplacian, -laplacian.sum(axis=1))
    precision: Array = np.linalg.matrix_power(laplacian, power) + 1e-5 * np.eye(len(laplacian))
    return _of_vertices(precision, space)


def bilaplacian(space: VelocitySpace) -> Tensor:
    """Return stiffness, lumped mass^-1, stiffness of finite elements, with a ridge of 1e-3."""
    vertices, count = space.tessellation.vertices, len(space.tessellation.vertices)
    stiffness, mass = np.zeros((count, count)), np.zeros(count)
    for triangle in space.tessellation.triangles:
        corners = np.column_stack([vertices[triangle], np.ones(3)])
        area = abs(np.linalg.det(corners)) / 2
        slopes = np.linalg.inv(corners)[:2]
        stiffness[np.ix_(triangle, triangle)] += area * slopes.T @ slopes
        mass[triangle] += area / 3
    precision = stiffness @ (stiffness / mass[:, None]) + 1e-3 * np.diag(mass)
    return _of_vertices(precision.astype(np.float64), space)


def thin_plate(space: VelocitySpace) -> Tensor:
    """Penalise jumps of the velocity gradient across edges; affine fields cost only the ridge."""
    sides: dict[tuple[int, int], list[int]] = {}
    for cell, triangle in enumerate(np.sort(space.tessellation.triangles, axis=1)):
        for one, other in ((0, 1), (0, 2), (1, 2)):
            sides.setdefault((triangle[one], triangle[other]), []).append(cell)
    count = len(space.tessellation.vertices)
    precision = 1e-3 / count * torch.einsum("avi,bvi->ab", *2 * [space.vertex_basis])
    vertices = space.tessellation.vertices
    for (one, other), cells in sides.items():
        if len(cells) == 2:
            jump = (space.basis[:, cells[0]] - space.basis[:, cells[1]])[..., :2].flatten(1)
            precision += np.sum((vertices[one] - vertices[other]) ** 2) / 2 * (jump @ jump.T)
    return precision


def stationary(kernel: Callable[[Array], Array], space: VelocitySpace) -> Tensor:
    """Return a free translation plus a covariance of the distance between vertices."""
    vertices = space.tessellation.vertices
    distance = np.linalg.norm(vertices[:, None] - vertices, axis=-1)
    precision = np.linalg.inv(100 + kernel(distance))
    return _of_vertices(precision.astype(np.float64), space)


def independent(distance: Array) -> Array:
    covariance: Array = np.where(distance == 0, 1.0, 0.0)
    return covariance


def exponential(length: float, distance: Array) -> Array:
    covariance: Array = np.exp(-distance / length)
    return covariance


def matern(length: float, distance: Array) -> Array:
    scaled = np.sqrt(3) / length * distance
    covariance: Array = (1 + scaled) * np.exp(-scaled)
    return covariance


def squared_exponential(length: float, distance: Array) -> Array:
    covariance: Array = np.exp(-((distance / length) ** 2) / 2) + 1e-8 * (distance == 0)
    return covariance


VARIANTS: list[tuple[str, Prior, float]] = [
    ("graph Laplacian", partial(graph_laplacian, 1), 1.6e-3),
    ("squared graph Laplacian", partial(graph_laplacian, 2), 4.6e-4),
    ("cubed graph Laplacian", partial(graph_laplacian, 3), 1.2e-4),
    ("bi-Laplacian, finite elements", bilaplacian, 4.1e-5),
    ("thin plate", thin_plate, 2.9e-3),
    ("independent vertices", partial(stationary, independent), 7.7e-3),
    ("exponential, 0.3", partial(stationary, partial(exponential, 0.3)), 4.7e-3),
    ("Matern 3/2, 0.1", partial(stationary, partial(matern, 0.1)), 7.4e-3),
    ("Matern 3/2, 0.2", partial(stationary, partial(matern, 0.2)), 4.5e-3),
    ("Matern 3/2, 0.4", partial(stationary, partial(matern, 0.4)), 1.5e-3),
    ("squared exponential, 0.15", partial(stationary, partial(squared_exponential, 0.15)), 4.6e-3),
]


def test_extension_by_prior() -> None:
    if not DATA.exists():
        pytest.skip(f"needs the full set of real motion in {DATA}, outside the repository")
    motion = load_real_motion(DATA)
    adam = motion.peers["paper_adam"]
    print("\n| fit | cells | nearest group | best candidate | global | relative to Adam |")
    print("|---|---|---|---|---|---|")
    _print_row("TPS", "", motion.peers["tps"], adam)
    _print_row("the paper's Adam", "4, 6", adam, adam)
    for name, prior, noise in VARIANTS:
        _compare(motion, name, partial(fit_with_prior, prior, noise))
    ours = _compare(motion, "our default", default_fit)
    for local_cells, global_cells in ((6, 8), (8, 12)):
        _compare(motion, "our default", default_fit, local_cells, global_cells)
    assert all(ours[name] <= adam[name] for name in ERRORS)


def _compare(
    motion: RealMotion, name: str, method: Fit, local_cells: int = 4, global_cells: int = 6
) -> dict[str, float]:
    errors = motion.errors(method, local_cells, global_cells)
    _print_row(name, f"{local_cells}, {global_cells}", errors, motion.peers["paper_adam"])
    return errors


def _print_row(name: str, cells: str, errors: dict[str, float], adam: dict[str, float]) -> None:
    shown = [key for key in ERRORS if key in errors]
    columns = [f"{errors[key]:.3f}" for key in shown] + [""] * (len(ERRORS) - len(shown))
    ratios = ", ".join(f"{errors[key] / adam[key]:.2f}" for key in shown)
    print(f"| {name} | {cells} | {' | '.join(columns)} | {ratios} |")


def _of_vertices(precision: Array, space: VelocitySpace) -> Tensor:
    """Convert (V, V) for each component of the vertex velocities to (dim, dim)."""
    basis = space.vertex_basis
    return torch.einsum("avi,vw,bwi->ab", basis, torch.from_numpy(precision), basis)
