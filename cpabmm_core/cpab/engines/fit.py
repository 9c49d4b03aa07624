"""Fits of few pairs on the CPU, each in one compiled call instead of many small tensor operations.

The loops are those of `cpab.gauss_newton` and `cpab.implicit`, and so are the results up to
rounding. They work in whitened coordinates eta.
"""

from collections.abc import Callable
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from cpabmm_core.arrays import Array
from cpabmm_core.cpab.engines import cpu, fit_kernels, implicit_kernels
from cpabmm_core.cpab.engines.fit_linearised import Mesh
from cpabmm_core.cpab.engines.threads import in_threads, ranges
from cpabmm_core.cpab.problem import Problem
from cpabmm_core.cpab.space import VelocitySpace

_MOST_NUMBERS = 1 << 17
"""Derivatives of a fit up to which its loop is compiled: a megabyte stays in the cache. PyTorch's
matrix products are faster for larger ones."""
_NUMBERS_PER_THREAD = 1 << 14
"""Derivatives of all fits of a thread that justify it."""


class Rules(NamedTuple):
    """Constants of the loop."""

    tolerance: float
    """Relative gain of a step that ends the loop."""
    relief: float
    """Factor of the damping."""
    stride: float
    """Bound on the change of any velocity gradient in one step."""


def suits(problem: Problem) -> bool:
    """Return whether the fits are small enough."""
    dim, pairs = problem.space.dim, problem.source.shape[1]
    return (
        problem.source.device.type == "cpu"
        and 0 < 2 * pairs * dim <= _MOST_NUMBERS
        and len(problem.source) > 0
    )


def solve(
    problem: Problem,
    eta: Tensor,  # (B, dim) to start from
    fields: Tensor,  # (dim, V, 2) velocities of the fields of unit eta at the vertices
    nu: Tensor,  # (B,)
    iterations: int,
    rules: Rules,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # (B, dim), (B, P, 2), (B,), (B,)
    """Return eta, the transformed source, the number of iterations, and which fits have ended."""
    mesh, (inside, target) = _mesh(problem, fields), _data(problem)
    sets, pairs = problem.weights.shape
    etas = np.zeros((sets, mesh.width))
    etas[:, : mesh.dim] = eta.numpy()
    ends = np.empty(inside.size)
    taken, finished = np.empty(sets, dtype=np.int64), np.empty(sets, dtype=np.int64)
    weights, roughness = cpu.flat(problem.weights), cpu.flat(nu)

    def work(start: int, stop: int) -> None:
        fit_kernels.solve_fits(
            mesh,
            inside,
            target,
            weights,
            roughness,
            _huber(problem),
            iterations,
            *rules,
            start,
            stop,
            etas.reshape(-1),
            ends,
            taken,
            finished,
        )

    _share(work, sets, 2 * pairs * mesh.width)
    end = torch.from_numpy(ends).view(sets, pairs, 2)
    moved = torch.from_numpy(etas[:, : mesh.dim].copy())
    return moved, end + _beyond(problem), torch.from_numpy(taken), torch.from_numpy(finished) > 0


def gradient(
    problem: Problem,
    eta: Tensor,  # (B, dim) the solution
    by_eta: Tensor,  # (B, dim)
    fields: Tensor,  # (dim, V, 2)
    nu: Tensor,  # (B,)
    iterations: int,
    difference: float,
) -> tuple[Tensor, Tensor]:  # (B, P, 2), (B, P, 2)
    """Return the derivatives of the gradients by source and target along H^-1 by_eta."""
    mesh, (inside, target) = _mesh(problem, fields), _data(problem)
    sets, pairs = problem.weights.shape
    etas, sides = np.zeros((sets, mesh.width)), np.zeros((sets, mesh.width))
    etas[:, : mesh.dim], sides[:, : mesh.dim] = eta.numpy(), by_eta.numpy()
    by_source, by_target = np.empty(inside.size), np.empty(inside.size)
    weights, roughness = cpu.flat(problem.weights), cpu.flat(nu)

    def work(start: int, stop: int) -> None:
        implicit_kernels.differentiate_fits(
            mesh,
            inside,
            target,
            weights,
            roughness,
            _huber(problem),
            iterations,
            difference,
            start,
            stop,
            etas.reshape(-1),
            sides.reshape(-1),
            by_source,
            by_target,
        )

    _share(work, sets, 2 * pairs * mesh.width)
    at_target = torch.from_numpy(by_target).view_as(problem.target)
    at_source = torch.from_numpy(by_source).view_as(problem.source)
    return torch.where(_beyond(problem) == 0, at_source, -at_target), at_target


def _share(work: Callable[[int, int], None], sets: int, numbers: int) -> None:
    """Divide the sets among threads."""
    parts = ranges(sets, sets * numbers // _NUMBERS_PER_THREAD)
    in_threads(lambda part: work(*parts[part]), len(parts))


def _beyond(problem: Problem) -> Tensor:
    """Return the parts of the points outside the square that a zero boundary does not move."""
    if problem.space.boundary == "free":
        return torch.zeros_like(problem.source)
    return problem.source - problem.source.clamp(0, 1)


def _data(problem: Problem) -> tuple[Array, Array]:
    """Return the points inside the square, and where these should go; flat."""
    if problem.space.boundary == "free":
        return cpu.flat(problem.source), cpu.flat(problem.target)
    return cpu.flat(problem.source.clamp(0, 1)), cpu.flat(problem.target - _beyond(problem))


def _huber(problem: Problem) -> float:
    return float("inf") if problem.huber is None else problem.huber


_meshes: WeakKeyDictionary[VelocitySpace, dict[float, Mesh]] = WeakKeyDictionary()


def _mesh(problem: Problem, fields: Tensor) -> Mesh:
    """Return the mesh for the prior of the problem, which the fields of unit eta depend on."""
    of_space, scale = _meshes.setdefault(problem.space, {}), problem.length_scale
    if scale not in of_space:
        of_space[scale] = _make_mesh(problem.space, fields)
    return of_space[scale]


def _make_mesh(space: VelocitySpace, fields: Tensor) -> Mesh:
    tess = space.tessellation
    width = fit_kernels.width_of(space.dim)
    rows = np.zeros((2 * len(tess.vertices), width))
    rows[:, : space.dim] = fields.permute(1, 2, 0).reshape(-1, space.dim).numpy()
    corners = np.concatenate(
        [tess.vertices[tess.triangles], np.ones((tess.cells, 3, 1))], axis=2
    )  # (cells, 3 vertices, [x, y, 1])
    barycentric = np.linalg.inv(corners).transpose(0, 2, 1)
    precision = cpu.precision(torch.float64, space)
    return Mesh(
        tess.nx,
        tess.ny,
        tess.triangles.reshape(-1),
        np.ascontiguousarray(barycentric).reshape(-1),
        rows.reshape(-1),
        space.dim,
        width,
        *precision,
    )
