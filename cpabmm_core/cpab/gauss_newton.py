"""Levenberg-Marquardt fit with a smoothness prior on the velocity field.

Minimises, over the pairs p with weights w,

    sum_p w_p rho(|T^theta(source_p) - target_p|) + noise * theta^T P theta,

rho(r) being r^2, or Huber's function. In whitened coordinates, theta = W eta with W^T P W = I, the
prior and the damping are both multiples of the identity, and a step solves

    (J^T w J + (noise + damping) I) step = -(J^T w r + noise * eta).

Everything is float64: a smooth field costs the prior next to nothing, so the systems' eigenvalues
spread over ten decades. The loop never looks at values on a GPU, where looking would wait for it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from cpabmm_core.cpab.engines import engine_for
from cpabmm_core.cpab.prior import smoothness_precision
from cpabmm_core.cpab.problem import Problem, Solution
from cpabmm_core.cpab.space import VelocitySpace

NOISE = 3e-4
ITERATIONS = 30
_TOLERANCE = 1e-3
_DAMPING = 10.0
_STRIDE = 3.0
"""Bound of a step's change of any velocity gradient: no single step makes a field wild."""


@dataclass(frozen=True)
class _State:
    """Where each of the B fits stands."""

    eta: Tensor  # (B, dim) whitened coordinates
    end: Tensor  # (B, P, 2)
    jacobian: Tensor  # (B, 2 P, dim) of the end points by eta
    cost: Tensor  # (B,)


def solve(problem: Problem, iterations: int | None) -> Solution:
    """Fit each of the B sets of pairs; a step that raises the cost is damped and tried again."""
    noise = NOISE if problem.noise is None else problem.noise
    space, start = problem.space, problem.start
    state = _state(problem, start @ _precision_root(space, start), noise)
    damping = torch.zeros_like(state.cost)
    finished = torch.zeros_like(state.cost, dtype=torch.bool)
    taken = torch.zeros_like(state.cost, dtype=torch.int64)
    for _ in range(ITERATIONS if iterations is None else iterations):
        if finished.device.type == "cpu" and finished.all():
            break
        taken = taken + ~finished
        trial = _state(problem, state.eta + _step(problem, state, noise, damping), noise)
        gain = state.cost - trial.cost
        better = (gain >= 0) & ~finished
        finished = finished | (better & (gain <= _TOLERANCE * state.cost))
        damping = torch.where(gain >= 0, damping / _DAMPING, damping * _DAMPING + noise)
        state = _choose(better, trial, state)
    theta = state.eta @ _whitening(space, start).T
    return Solution(theta, state.end, taken, finished)


def implicit(
    problem: Problem,
    theta: Tensor,  # (B, dim) solution
    residual: Tensor,  # (B, P, 2), with a gradient to the points
) -> Tensor:  # (B, dim)
    """The solution's theta with the gradient of the implicit function theorem.

    One more undamped step in which only the residual carries a gradient; its value adds nothing.
    The curvature of the residuals is left out, as in Gauss-Newton.
    """
    noise = NOISE if problem.noise is None else problem.noise
    space, start = problem.space, problem.start
    with torch.no_grad():
        eta = theta.to(start) @ _precision_root(space, start)
        state = _state(problem, eta, noise)
        weighted = _weights(problem, state)[..., None] * state.jacobian
        gain = torch.cholesky_solve(weighted.transpose(1, 2), _factor(state, weighted, noise))
        by_residual = (_whitening(space, start) @ gain).to(theta)
    change = (residual - residual.detach()).flatten(1)
    return theta - (by_residual @ change[..., None]).squeeze(-1)


def _state(problem: Problem, eta: Tensor, noise: float) -> _State:
    space = problem.space
    directions = space.constant("whitened_basis", eta, lambda: _whitened_basis(space))
    affine = (eta @ directions.flatten(1)).view(len(eta), *directions.shape[1:])
    inside = problem.source.clamp(0, 1) if space.boundary == "zero" else problem.source
    end, jacobian = engine_for(eta).jacobian(space, affine, inside, directions)
    end = end + (problem.source - inside)
    cost = _misfit(problem, end) + noise * eta.square().sum(1)
    return _State(eta, end, jacobian.flatten(1, 2), cost)


def _step(problem: Problem, state: _State, noise: float, damping: Tensor) -> Tensor:
    weighted = _weights(problem, state)[..., None] * state.jacobian
    residual = (state.end - problem.target).flatten(1)
    slope = (residual[:, None] @ weighted).squeeze(1) + noise * state.eta
    factor = _factor(state, weighted, noise + damping)
    step = -torch.cholesky_solve(slope[..., None], factor).squeeze(-1)
    maps = step @ problem.space.constant(
        "whitened_basis", step, lambda: _whitened_basis(problem.space)
    ).flatten(1)
    longest = maps.abs().amax(dim=1, keepdim=True)
    return step * (_STRIDE / longest.clamp_min(_STRIDE))


def _factor(state: _State, weighted: Tensor, shift: Tensor | float) -> Tensor:
    """Cholesky factor of J^T w J + shift I."""
    normal = weighted.transpose(1, 2) @ state.jacobian
    diagonal = torch.as_tensor(shift, dtype=normal.dtype, device=normal.device)
    normal.diagonal(dim1=1, dim2=2).add_(diagonal[..., None])
    factor: Tensor = torch.linalg.cholesky_ex(normal).L
    return factor


def _weights(problem: Problem, state: _State) -> Tensor:  # (B, 2 P)
    """The pairs' weights, less for those that Huber's function counts linearly."""
    weights = problem.weights
    if problem.huber is not None:
        lengths = (state.end - problem.target).norm(dim=2)
        weights = weights * (problem.huber / lengths.clamp_min(problem.huber))
    return weights.repeat_interleave(2, dim=1)


def _misfit(problem: Problem, end: Tensor) -> Tensor:  # (B,)
    squares = (end - problem.target).square().sum(2)
    if problem.huber is not None:
        linear = 2 * problem.huber * squares.sqrt() - problem.huber**2
        squares = torch.where(squares > problem.huber**2, linear, squares)
    return (problem.weights * squares).sum(1)


def _choose(first: Tensor, trial: _State, state: _State) -> _State:
    """The trial where `first` holds, else the state."""
    return _State(
        torch.where(first[:, None], trial.eta, state.eta),
        torch.where(first[:, None, None], trial.end, state.end),
        torch.where(first[:, None, None], trial.jacobian, state.jacobian),
        torch.where(first, trial.cost, state.cost),
    )


def _precision_root(space: VelocitySpace, like: Tensor) -> Tensor:
    """(dim, dim) C with C C^T = P: eta = C^T theta."""
    return space.constant(
        "precision_root", like, lambda: torch.linalg.cholesky(smoothness_precision(space))
    )


def _whitening(space: VelocitySpace, like: Tensor) -> Tensor:
    """(dim, dim) W with W^T P W = I."""
    return space.constant(
        "whitening", like, lambda: torch.linalg.inv(_precision_root(space, space.basis)).T
    )


def _whitened_basis(space: VelocitySpace) -> Tensor:
    """(dim, cells, 2, 3): the fields of unit eta, in memory side by side cell for cell."""
    fields = space.basis.flatten(1).T @ _whitening(space, space.basis)
    return fields.contiguous().T.view(space.basis.shape)
