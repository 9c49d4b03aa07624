"""Fits of CPAB transformations to point pairs (the paper's Eq. 6)."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cpabmm_core.cpab import implicit
from cpabmm_core.cpab.folding import find_folds
from cpabmm_core.cpab.prior import LENGTH_SCALE
from cpabmm_core.cpab.problem import Problem
from cpabmm_core.cpab.solvers import SolverName, find_solver
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.progress import Progress


@dataclass(frozen=True)
class FitResult:
    """The transformations that `fit` found.

    Example:
        >>> from cpabmm_core.cpab import Tessellation, VelocitySpace
        >>> points = torch.tensor([[[0.3, 0.4], [0.7, 0.6]]])
        >>> result = fit(VelocitySpace(Tessellation(4, 4)), points, points)
        >>> result.theta.shape, result.residual.shape
        (torch.Size([1, 58]), torch.Size([1, 2, 2]))
    """

    theta: Tensor
    """(B, dim) coordinates of the velocity fields in the basis of the space."""
    residual: Tensor
    """(B, P, 2) transformed source minus target in sides of the square; 0 where the weight is 0."""
    iterations: Tensor
    """(B,) int64 number of iterations of each fit."""
    converged: Tensor
    """(B,) bool: the solver met its criterion, and no two points are stuck in swapped order."""


def fit(
    space: VelocitySpace,
    source: Tensor,  # (B, P, 2) in the unit square
    target: Tensor,  # (B, P, 2)
    solver: SolverName = "gauss-newton",
    *,
    weights: Tensor | None = None,  # (B, P)
    huber: float | None = None,
    start: Tensor | None = None,  # (B, dim)
    noise: float | None = None,
    length_scale: float | None = None,
    iterations: int | None = None,
    differentiable: bool = False,
    together: int | None = None,
    progress: Progress | None = None,
) -> FitResult:
    """Find theta such that transform(source) is close to target.

    Convention:
        Points are (x, y) in the unit square [0, 1]^2, x to the right and y downwards. Each of the
        B sets of pairs gets its own transformation.

    Args:
        space: admissible velocity fields.
        source: float32 or float64.
        target: where the source points should go; same shape, dtype and device.
        solver: ``gauss-newton``: Levenberg-Marquardt with a smoothness prior, independent for each
            set; ``adam``: the paper's gradient descent on the norm of all residuals from theta = 0,
            whose early stop acts as a prior.
        weights: weight of each pair relative to the others of its set, at least 0; None weighs all
            alike. Their scale has no effect. A pair of weight 0 is ignored and may contain NaN, so
            sets of different sizes can be padded.
        huber: residual length, in sides of the square, beyond which a pair counts linearly instead
            of quadratically. It limits the influence of outliers; only ``gauss-newton``.
        start: theta to start from, such as that of the previous frame; None starts from 0.
        noise: weight of the smoothness prior relative to the squared residuals, for one pair; it
            grows with the square root of the number of pairs that the weights amount to. Smaller
            values follow the pairs more closely; None takes the default, which extends real motion
            best. Only ``gauss-newton``. `effective_noise` gives the result in sides of the square.
        length_scale: distance, in sides of the square, over which the smoothness prior lets the
            motion change. With larger values each pair moves more of the square. None takes the
            default, which extends real motion best. Only ``gauss-newton``.
        iterations: maximum number of iterations; None takes the solver's default.
        differentiable: give theta a gradient with respect to source and target, by the implicit
            function theorem at the solution; otherwise theta is detached. Only ``gauss-newton``.
        together: number of consecutive sets that share one norm, such as the groups of a frame.
            Sets that share a norm influence each other slightly. None: all sets of the call, as in
            the paper's code; 1: every set is independent. Only ``adam``.
        progress: called after each iteration, with the total if the solver takes a fixed number.

    Returns:
        Theta, residuals, iterations and convergence of each set.

    Raises:
        ValueError: shapes, dtypes or values that do not fit; weights that are negative or not
            finite (on a GPU, where a check would synchronise, such pairs are ignored).
        ConfigError: an unknown solver, or an option that the solver does not support.

    Example:
        >>> from cpabmm_core.cpab import Tessellation, VelocitySpace
        >>> space = VelocitySpace(Tessellation(4, 4))
        >>> source = torch.tensor([[[0.3, 0.4], [0.7, 0.6]]])
        >>> result = fit(space, source, source + 0.05)
        >>> bool(result.converged), bool(result.residual.abs().max() < 1e-3)
        (True, True)
    """
    _check_points(source, target)
    options = {
        "huber": huber is not None,
        "noise": noise is not None,
        "length_scale": length_scale is not None,
        "differentiable": differentiable,
        "together": together is not None,
    }
    solve = find_solver(solver, options).solve
    problem, counted = make_problem(
        space, source, target, weights, huber, start, noise, together, length_scale
    )
    with torch.no_grad():
        solution = solve(replace(problem, progress=progress), iterations)
        converged = solution.converged & ~find_folds(problem, solution.end)
    theta = solution.theta.to(source)
    residual = (solution.end - problem.target).to(source)
    if differentiable and (source.requires_grad or target.requires_grad):
        theta = implicit.attach(problem, theta, source, target)
    return FitResult(
        theta,
        torch.where(counted[..., None], residual, 0.0),
        solution.iterations.to(source.device),
        converged.to(source.device),
    )


def make_problem(
    space: VelocitySpace,
    source: Tensor,
    target: Tensor,
    weights: Tensor | None,
    huber: float | None = None,
    start: Tensor | None = None,
    noise: float | None = None,
    together: int | None = None,
    length_scale: float | None = None,
) -> tuple[Problem, Tensor]:
    """Return the problem in float64, and which pairs count (B, P)."""
    if weights is None:
        weights = torch.ones(source.shape[:2], dtype=source.dtype, device=source.device)
    _check_options(space, source, weights, start, together)
    _check_positive(huber=huber, noise=noise, length_scale=length_scale)
    # MPS has no float64.
    device = torch.device("cpu") if source.device.type == "mps" else source.device
    counted = (weights > 0) & weights.isfinite()
    ignored = ~counted[..., None]
    return Problem(
        space,
        source.detach().masked_fill(ignored, 0.0).to(device).double(),
        target.detach().masked_fill(ignored, 0.0).to(device).double(),
        _relative(weights.detach().masked_fill(~counted, 0).to(device).double()),
        torch.zeros(len(source), space.dim, dtype=torch.float64, device=device)
        if start is None
        else start.detach().to(device).double(),
        huber,
        noise,
        together,
        LENGTH_SCALE if length_scale is None else length_scale,
    ), counted


def _relative(weights: Tensor) -> Tensor:  # (B, P)
    """Scale the weights of each set so that their sum is the number of pairs they amount to.

    That is Kish's effective sample size, (sum of w)^2 / sum of w^2: the number of the pairs for
    equal weights, and 1 if a single pair has all the weight. Equal weights become exactly 1.
    """
    if not weights.shape[1]:
        return weights
    tiny = torch.finfo(weights.dtype).tiny
    shares = weights / weights.amax(1, keepdim=True).clamp_min(tiny)
    squares = shares.square().sum(1, keepdim=True)
    return shares * (shares.sum(1, keepdim=True) / squares.clamp_min(tiny))


def _check_points(source: Tensor, target: Tensor) -> None:
    if source.ndim != 3 or source.shape[2] != 2 or target.shape != source.shape:
        raise ValueError(
            "source and target: expected two tensors (B, P, 2), "
            f"got {tuple(source.shape)} and {tuple(target.shape)}"
        )
    if source.dtype not in (torch.float32, torch.float64) or target.dtype != source.dtype:
        raise ValueError(
            "source and target: expected both float32 or both float64, "
            f"got {source.dtype} and {target.dtype}"
        )


def _check_options(
    space: VelocitySpace,
    source: Tensor,
    weights: Tensor,
    start: Tensor | None,
    together: int | None,
) -> None:
    sets, pairs = source.shape[:2]
    if weights.shape != (sets, pairs):
        raise ValueError(f"weights: expected {(sets, pairs)}, got {tuple(weights.shape)}")
    if weights.device.type == "cpu" and weights.dtype != torch.bool:
        wrong = (~(weights.isfinite() & (weights >= 0))).nonzero()
        if len(wrong):
            place = wrong[0].tolist()
            raise ValueError(
                f"weights: expected numbers of at least 0, got {weights[tuple(place)]:g} at {place}"
            )
    if start is not None and start.shape != (sets, space.dim):
        raise ValueError(f"start: expected {(sets, space.dim)}, got {tuple(start.shape)}")
    if together is not None and (together < 1 or sets % together):
        raise ValueError(f"together: expected a divisor of the {sets} sets, got {together}")


def _check_positive(**numbers: float | None) -> None:
    for name, value in numbers.items():
        if value is not None and not value > 0:
            raise ValueError(f"{name}: expected a positive number, got {value}")
