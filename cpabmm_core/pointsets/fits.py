"""Fit CPAB transformations to sets of point pairs from files."""

from collections.abc import Sequence

import torch

from cpabmm_core.cpab.fitting import FitResult, fit
from cpabmm_core.cpab.implied_noise import effective_noise
from cpabmm_core.cpab.solvers import SOLVERS, SolverName
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.pointsets.point_pairs import PointPairs, stack_pairs
from cpabmm_core.pointsets.transformations import Residual, Transformation, Transformations
from cpabmm_core.progress import Progress


def fit_pairs(
    space: VelocitySpace,
    sets: Sequence[PointPairs],
    *,
    solver: SolverName = "gauss-newton",
    huber: float | None = None,
    progress: Progress | None = None,
) -> Transformations:
    """Fit one transformation to each set of point pairs, all in one batch.

    Args:
        space: admissible velocity fields.
        sets: the pairs, at least one set.
        solver: as in `cpabmm_core.cpab.fit`.
        huber: residual length, in sides of the square, beyond which a pair counts linearly.
        progress: as in `cpabmm_core.cpab.fit`.

    Returns:
        The transformations in the order of the sets, with their residuals over the pairs that
        count, and the effective noise of a fit by gauss-newton.

    Raises:
        ConfigError: an unknown solver, or an option that the solver does not support.

    Example:
        >>> import numpy as np
        >>> from cpabmm_core.cpab import Tessellation, VelocitySpace
        >>> from cpabmm_core.pointsets import PointPairs
        >>> source = np.array([[0.3, 0.4], [0.7, 0.6]])
        >>> pairs = PointPairs("shift", source, source + 0.05, np.ones(2))
        >>> document = fit_pairs(VelocitySpace(Tessellation(2, 2)), [pairs])
        >>> document.move(source)[0].round(2).tolist()
        [[0.35, 0.45], [0.75, 0.65]]
    """
    source, target, weights = (torch.from_numpy(array) for array in stack_pairs(sets))
    result = fit(space, source, target, solver, weights=weights, huber=huber, progress=progress)
    noise: list[float | None] = [None] * len(sets)
    if "noise" in SOLVERS[solver].options:
        noise = effective_noise(
            space, result.theta, source, target, weights=weights, huber=huber
        ).tolist()
    tess = space.tessellation
    return Transformations(
        cells=(tess.nx, tess.ny),
        boundary=space.boundary,
        volume_preserving=space.volume_preserving,
        solver=solver,
        huber=huber,
        transformations=[
            _transformation(i, pairs, result, noise[i]) for i, pairs in enumerate(sets)
        ],
    )


def _transformation(
    index: int, pairs: PointPairs, result: FitResult, noise: float | None
) -> Transformation:
    distances = result.residual[index, : len(pairs.weights)].norm(dim=1)
    counting = distances.numpy()[pairs.weights > 0]
    return Transformation(
        name=pairs.name,
        theta=result.theta[index].tolist(),
        residual=Residual(mean=float(counting.mean()), max=float(counting.max())),
        noise=noise,
        iterations=int(result.iterations[index]),
        converged=bool(result.converged[index]),
    )
