"""Levenberg-Marquardt fit with a smoothness prior on the velocity field.

Minimises, over the pairs p with weights w,

    sum_p w_p rho(|T^theta(source_p) - target_p|) + nu * theta^T P theta,

where rho(r) is r^2 or Huber's function, and nu = noise * sqrt(sum_p w_p). The weights sum to the
number of pairs that they amount to. The square root accounts for correlated errors: the mesh cannot
follow neighbouring points in the same way, so the effective sample is smaller than that number. In
whitened coordinates, theta = W eta with W^T P W = I, the prior and the damping are multiples of the
identity, and a step solves

    (J^T w J + (nu + damping) I) step = -(J^T w r + nu * eta).

The system is dim x dim whatever the number of pairs. Many pairs are linearised part by part, and
the rows of [J, r] are condensed to as many as its columns. So the time is proportional to the
number of pairs, and the memory holds their coordinates but not all their derivatives.

All computations use float64: the prior hardly penalises smooth fields, so the eigenvalues of the
systems span ten orders of magnitude. On a GPU the loop never reads a value back, because that
would synchronise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import torch
from torch import Tensor

from cpabmm_core.cpab.engines import compiled_fits, engine_for
from cpabmm_core.cpab.prior import smoothness_precision
from cpabmm_core.cpab.problem import Problem, Solution
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.cpab.transformation import transform_with_jacobian

NOISE = 2e-3
ITERATIONS = 30
_TOLERANCE = 1e-3
_DAMPING = 10.0
_STRIDE = 3.0
"""Bound on the change of any velocity gradient in one step."""


@dataclass(frozen=True)
class State:
    """The current iterate of each of the B fits."""

    eta: Tensor  # (B, dim) whitened coordinates
    end: Tensor  # (B, P, 2) transformed source
    rows: Tensor  # (B, M, dim + 1) those of sqrt(w) [J, r], or fewer with the same products
    cost: Tensor  # (B,)


def solve(problem: Problem, iterations: int | None) -> Solution:
    """Fit each of the B sets of pairs; a step that increases the cost is damped and retried."""
    most = ITERATIONS if iterations is None else iterations
    small = compiled_loop(problem)
    # A caller who follows the progress gets the loop that reports it.
    if small is not None and problem.progress is None:
        return _solve_compiled(small, problem, most)
    return solve_in_steps(problem, most)


def compiled_loop(problem: Problem) -> ModuleType | None:
    """Return the module `engines.fit` if it runs here and the fits are small enough."""
    loop = compiled_fits(problem.start)
    return loop if loop is not None and loop.suits(problem) else None


def _solve_compiled(loop: ModuleType, problem: Problem, iterations: int) -> Solution:
    space, start = problem.space, problem.start
    eta, end, taken, finished = loop.solve(
        problem,
        engine_for(start).product(start, precision_root(space, start, problem.length_scale)),
        vertex_fields(space, start, problem.length_scale),
        prior_weight(problem),
        iterations,
        loop.Rules(_TOLERANCE, _DAMPING, _STRIDE),
    )
    theta = engine_for(start).product(eta, whitening(space, start, problem.length_scale).T)
    return Solution(theta, end, taken, finished)


def solve_in_steps(problem: Problem, iterations: int) -> Solution:
    """Fit each set by tensor operations on all of them, on any device."""
    space, start = problem.space, problem.start
    state = evaluate(problem, start @ precision_root(space, start, problem.length_scale))
    damping = torch.zeros_like(state.cost)
    finished = torch.zeros_like(state.cost, dtype=torch.bool)
    taken = torch.zeros_like(state.cost, dtype=torch.int64)
    for k in range(iterations):
        if finished.device.type == "cpu" and finished.all():
            break
        taken = taken + ~finished
        trial = evaluate(problem, state.eta + _step(problem, state, damping))
        gain = state.cost - trial.cost
        better = (gain >= 0) & ~finished
        finished = finished | (better & (gain <= _TOLERANCE * state.cost))
        damping = torch.where(
            gain >= 0, damping / _DAMPING, damping * _DAMPING + prior_weight(problem)
        )
        state = _choose(better, trial, state)
        problem.report(k + 1, None)
    theta = state.eta @ whitening(space, start, problem.length_scale).T
    return Solution(theta, state.end, taken, finished)


def evaluate(problem: Problem, eta: Tensor) -> State:
    """Return the state at whitened coordinates eta (B, dim)."""
    parts = [*problem.parts()]
    end, rows = _linearise(problem, eta) if len(parts) == 1 else _condense(parts, eta)
    cost = misfit(problem, end) + prior_weight(problem) * eta.square().sum(1)
    return State(eta, end, rows, cost)


def normal_system(problem: Problem, state: State) -> tuple[Tensor, Tensor]:
    """Return J^T w J + nu I (B, dim, dim), and the gradient of half the cost (B, dim)."""
    products = state.rows.transpose(1, 2) @ state.rows
    nu, normal = prior_weight(problem)[:, None], products[:, :-1, :-1].contiguous()
    normal.diagonal(dim1=1, dim2=2).add_(nu)
    return normal, products[:, :-1, -1] + nu * state.eta


def factorise(normal: Tensor) -> Tensor:
    """Return the lower Cholesky factor (B, dim, dim); NaN where the matrix has none."""
    factor: Tensor = torch.linalg.cholesky_ex(normal).L
    return factor


def solve_factored(
    factor: Tensor,  # (B, dim, dim) lower triangular
    side: Tensor,  # (B, dim)
) -> Tensor:  # (B, dim)
    """Solve L L^T x = side.

    `torch.cholesky_solve` uses MAGMA on CUDA, which cannot be captured in a CUDA graph.
    """
    half = torch.linalg.solve_triangular(factor, side[..., None], upper=False)
    solution: Tensor = torch.linalg.solve_triangular(factor.mT, half, upper=True)
    return solution.squeeze(-1)


def misfit(problem: Problem, end: Tensor) -> Tensor:  # (B,)
    """Return the weighted sum of rho over the residuals of the transformed source."""
    squares = (end - problem.target).square().sum(2)
    if problem.huber is not None:
        # Keep the root's infinite slope at 0 out of the gradient of the quadratic branch.
        far = squares > problem.huber**2
        lengths = torch.where(far, squares, problem.huber**2).sqrt()
        squares = torch.where(far, 2 * problem.huber * lengths - problem.huber**2, squares)
    return (problem.weights * squares).sum(1)


def prior_weight(problem: Problem) -> Tensor:  # (B,)
    """Return nu, the cost of a unit of roughness."""
    noise = NOISE if problem.noise is None else problem.noise
    return noise * problem.weights.sum(1).clamp_min(1.0).sqrt()


def _step(problem: Problem, state: State, damping: Tensor) -> Tensor:
    normal, slope = normal_system(problem, state)
    normal.diagonal(dim1=1, dim2=2).add_(damping[:, None])
    step = -solve_factored(factorise(normal), slope)
    maps = step @ _whitened_basis(problem, step).flatten(1)
    longest = maps.abs().amax(dim=1, keepdim=True)
    return step * (_STRIDE / longest.clamp_min(_STRIDE))


def _linearise(problem: Problem, eta: Tensor) -> tuple[Tensor, Tensor]:
    """Return the end points (B, P, 2) and the rows of sqrt(w) [J, r], (B, 2 P, dim + 1)."""
    space = problem.space
    fields = _whitened_basis(problem, eta)
    end, jacobian = transform_with_jacobian(space, eta, problem.source, fields)
    residual, weights = end - problem.target, problem.weights
    if problem.huber is not None:  # Huber's function reduces the weight of large residuals
        weights = weights * (problem.huber / residual.norm(dim=2).clamp_min(problem.huber))
    rows = torch.cat([jacobian, residual[..., None]], dim=3)
    return end, rows.mul_(weights.sqrt()[..., None, None]).flatten(1, 2)


def _condense(parts: Sequence[Problem], eta: Tensor) -> tuple[Tensor, Tensor]:
    """Return the end points of all parts, and dim + 1 rows with the products of all rows."""
    ends, products = [], eta.new_zeros(())
    for part in parts:
        end, rows = _linearise(part, eta)
        products = products + rows.transpose(1, 2) @ rows
        ends.append(end)
    squares, axes = torch.linalg.eigh(products)
    return torch.cat(ends, dim=1), squares.clamp_min(0).sqrt()[..., None] * axes.mT


def _choose(first: Tensor, trial: State, state: State) -> State:
    """Return the trial where `first` is True, else the state."""
    return State(
        torch.where(first[:, None], trial.eta, state.eta),
        torch.where(first[:, None, None], trial.end, state.end),
        torch.where(first[:, None, None], trial.rows, state.rows),
        torch.where(first, trial.cost, state.cost),
    )


def precision_root(space: VelocitySpace, like: Tensor, length_scale: float) -> Tensor:
    """Return C (dim, dim) with C C^T = P, so that eta = C^T theta."""
    return space.constant(
        f"precision_root {length_scale}",
        like,
        lambda: torch.linalg.cholesky(smoothness_precision(space, length_scale)),
    )


def whitening(space: VelocitySpace, like: Tensor, length_scale: float) -> Tensor:
    """Return W (dim, dim) with W^T P W = I."""
    return space.constant(
        f"whitening {length_scale}",
        like,
        lambda: torch.linalg.inv(precision_root(space, space.basis, length_scale)).T,
    )


def vertex_fields(space: VelocitySpace, like: Tensor, length_scale: float) -> Tensor:
    """Return the velocities of the fields of unit eta at the vertices, (dim, V, 2)."""

    def make() -> Tensor:
        whitened = whitening(space, space.basis, length_scale).T @ space.vertex_basis.flatten(1)
        return whitened.view(space.vertex_basis.shape)

    return space.constant(f"whitened_vertices {length_scale}", like, make)


def _whitened_basis(problem: Problem, like: Tensor) -> Tensor:
    """Return the fields of unit eta (dim, cells, 2, 3), with `dim` contiguous in memory."""
    space, length_scale = problem.space, problem.length_scale

    def make() -> Tensor:
        fields = space.basis.flatten(1).T @ whitening(space, space.basis, length_scale)
        return fields.contiguous().T.view(space.basis.shape)

    return space.constant(f"whitened_basis {length_scale}", like, make)
