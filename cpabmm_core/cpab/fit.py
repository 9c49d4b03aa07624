"""Fit of CPAB transformations to point pairs: keypoint-based inference (paper, Eq. 6)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from cpabmm_core.cpab import adam, gauss_newton
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.cpab.transform import transform
from cpabmm_core.errors import ConfigError

Solver = Literal["gauss-newton", "adam"]


@dataclass(frozen=True)
class FitResult:
    """Fitted transformations."""

    theta: Tensor
    """(B, dim) coordinates in the space's basis."""
    residual: Tensor
    """(B, P, 2) transformed source minus target, in sides of the square."""
    iterations: int
    """Iterations that the slowest of the B fits took."""
    converged: Tensor
    """(B,) whether the solver's own criterion was met."""


def fit(
    space: VelocitySpace,
    source: Tensor,  # (B, P, 2) in the unit square
    target: Tensor,  # (B, P, 2)
    solver: Solver = "gauss-newton",
    *,
    iterations: int | None = None,
    differentiable: bool = False,
) -> FitResult:
    """Find theta with transform(source) close to target.

    Args:
        space: admissible fields.
        source: float32 or float64.
        target: where the source points should go; same shape, dtype and device.
        solver: ``gauss-newton``: Levenberg-Marquardt in dual form with a smoothness prior;
            ``adam``: the paper's gradient descent from theta = 0, with its early stop for a prior.
        iterations: upper bound; None takes the solver's default.
        differentiable: give theta the gradient with respect to source and target that follows from
            the implicit function theorem at the Gauss-Newton solution; otherwise it is detached.

    Raises:
        ValueError: shapes or dtypes that do not fit.
        ConfigError: unknown solver, or a differentiable fit asked of ``adam``.
    """
    _check(source, target)
    if solver not in ("gauss-newton", "adam"):
        raise ConfigError(f"solver: expected gauss-newton or adam, got {solver!r}")
    if differentiable and solver == "adam":
        raise ConfigError(
            "solver adam has no gradient: switch implicit_gradient off or use gauss-newton"
        )
    solve = gauss_newton.solve if solver == "gauss-newton" else adam.solve
    with torch.no_grad():
        solution = solve(space, source.detach(), target.detach(), iterations)
    theta = solution.theta
    if differentiable and (source.requires_grad or target.requires_grad):
        residual = transform(space, theta, source) - target
        theta = gauss_newton.implicit(space, solution, residual)
        residual = residual.detach()
    else:
        with torch.no_grad():
            residual = transform(space, theta, source) - target
    return FitResult(theta, residual, solution.iterations, solution.converged)


def _check(source: Tensor, target: Tensor) -> None:
    if source.ndim != 3 or source.shape[2] != 2 or target.shape != source.shape:
        raise ValueError(
            "source and target: expected two (B, P, 2), "
            f"got {tuple(source.shape)} and {tuple(target.shape)}"
        )
    if source.dtype not in (torch.float32, torch.float64) or target.dtype != source.dtype:
        raise ValueError(
            "expected source and target both float32 or both float64, "
            f"got {source.dtype} and {target.dtype}"
        )
