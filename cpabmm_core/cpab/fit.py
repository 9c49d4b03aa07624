"""Fit of CPAB transformations to point pairs: keypoint-based inference (paper, Eq. 6)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from cpabmm_core.cpab import adam, gauss_newton, implicit
from cpabmm_core.cpab.folding import folded
from cpabmm_core.cpab.problem import Problem
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.errors import ConfigError

Solver = Literal["gauss-newton", "adam"]


@dataclass(frozen=True)
class FitResult:
    """Fitted transformations."""

    theta: Tensor
    """(B, dim) coordinates in the space's basis."""
    residual: Tensor
    """(B, P, 2) transformed source minus target, in sides of the square; 0 for pairs left out."""
    iterations: Tensor
    """(B,) int64: the iterations that each fit took."""
    converged: Tensor
    """(B,) bool: the solver's own criterion was met, and no two points are folded over."""


def fit(
    space: VelocitySpace,
    source: Tensor,  # (B, P, 2) in the unit square
    target: Tensor,  # (B, P, 2)
    solver: Solver = "gauss-newton",
    *,
    weights: Tensor | None = None,  # (B, P)
    huber: float | None = None,
    start: Tensor | None = None,  # (B, dim)
    noise: float | None = None,
    iterations: int | None = None,
    differentiable: bool = False,
    together: int | None = None,
) -> FitResult:
    """Find theta with transform(source) close to target.

    Args:
        space: admissible fields.
        source: float32 or float64.
        target: where the source points should go; same shape, dtype and device.
        solver: ``gauss-newton``: Levenberg-Marquardt with a smoothness prior, each set on its own;
            ``adam``: the paper's gradient descent on the norm of all residuals, from theta = 0,
            with its early stop for a prior.
        weights: how much each pair counts, at least 0; 1 each by default. A pair of weight 0 is
            left out, whatever it holds: sets of different sizes are padded so.
        huber: length of a residual, in sides of the square, from which on a pair counts linearly
            and no longer by its square, so that outliers pull less; only ``gauss-newton``.
        start: theta to start from, for instance that of the frame before; 0 by default.
        noise: weight of the smoothness prior against the squared residuals, for one pair; it grows
            with the root of their number. None takes the default, which extends real motion best;
            less follows the pairs more closely. Only ``gauss-newton``.
        iterations: upper bound; None takes the solver's default.
        differentiable: give theta the gradient with respect to source and target that follows from
            the implicit function theorem at the Gauss-Newton solution; otherwise it is detached.
        together: how many sets in a row share one norm, for instance the groups of a frame: these
            influence each other a little, and no others. None: all sets of the call, as in the
            paper's code; 1: each on its own. Only ``adam``.

    Raises:
        ValueError: shapes, dtypes or values that do not fit.
        ConfigError: unknown solver, or an option asked of ``adam`` that it does not have.

    Example:
        >>> space = VelocitySpace(Tessellation(4, 4))
        >>> source = torch.rand(1, 5, 2)
        >>> bool(fit(space, source, source + 0.05).converged)
        True
    """
    _check(source, target)
    if solver not in ("gauss-newton", "adam"):
        raise ConfigError(f"solver: expected gauss-newton or adam, got {solver!r}")
    if solver == "adam" and differentiable:
        raise ConfigError(
            "solver adam has no gradient: leave out differentiable or use gauss-newton"
        )
    if solver == "adam" and not (huber is None and noise is None):
        raise ConfigError("solver adam takes neither huber nor noise: use gauss-newton")
    _check_together(together, solver, len(source))
    problem, counted = _problem(space, source, target, weights, huber, start, noise, together)
    with torch.no_grad():
        solve = gauss_newton.solve if solver == "gauss-newton" else adam.solve
        solution = solve(problem, iterations)
        converged = solution.converged & ~folded(problem, solution.end)
    theta = solution.theta.to(source)
    residual = (solution.end - problem.target).to(source)
    if differentiable and (source.requires_grad or target.requires_grad):
        theta = implicit.attach(problem, theta, source, target)
    residual = torch.where(counted[..., None], residual, 0.0)
    return FitResult(
        theta,
        residual,
        solution.iterations.to(source.device),
        converged.to(source.device),
    )


def _problem(
    space: VelocitySpace,
    source: Tensor,
    target: Tensor,
    weights: Tensor | None,
    huber: float | None,
    start: Tensor | None,
    noise: float | None,
    together: int | None,
) -> tuple[Problem, Tensor]:
    """The problem in float64, and which pairs count (B, P)."""
    shape = source.shape[:2]
    if weights is None:
        weights = torch.ones(shape, dtype=source.dtype, device=source.device)
    if weights.shape != shape:
        raise ValueError(f"weights: expected {tuple(shape)}, got {tuple(weights.shape)}")
    if start is not None and start.shape != (shape[0], space.dim):
        raise ValueError(f"start: expected {(shape[0], space.dim)}, got {tuple(start.shape)}")
    for name, value in (("huber", huber), ("noise", noise)):
        if value is not None and not value > 0:
            raise ValueError(f"{name}: expected a positive number, got {value}")
    # MPS has no float64.
    device = torch.device("cpu") if source.device.type == "mps" else source.device
    counted = weights > 0
    outside = ~counted[..., None]
    return Problem(
        space,
        source.detach().masked_fill(outside, 0.0).to(device).double(),
        target.detach().masked_fill(outside, 0.0).to(device).double(),
        weights.detach().masked_fill(~counted, 0).to(device).double(),
        torch.zeros(shape[0], space.dim, dtype=torch.float64, device=device)
        if start is None
        else start.detach().to(device).double(),
        huber,
        noise,
        together,
    ), counted


def _check_together(together: int | None, solver: Solver, sets: int) -> None:
    if together is None:
        return
    if solver != "adam":
        raise ConfigError(f"solver {solver} fits each set on its own: leave out together")
    if together < 1 or sets % together:
        raise ValueError(f"together: expected a divisor of the {sets} sets, got {together}")


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
