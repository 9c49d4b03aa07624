"""Levenberg-Marquardt fit in dual form with a smoothness prior on the velocity field.

Minimises |T^theta(source) - target|^2 + noise * theta^T P theta. With S = P^-1 and J the Jacobian
at the P points, a damped step solves a system of 2 P unknowns, not dim:

    step = -S J^T M^-1 r - noise / nu * (theta - S J^T M^-1 J theta),
    M = J S J^T + nu I,  nu = noise + damping,

the prior's own metric being the damping's too.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from cpabmm_core.cpab.prior import smoothness_precision
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.cpab.transform import transform_with_jacobian

NOISE = 3e-4
ITERATIONS = 12
_TOLERANCE = 1e-3
_DAMPING = 10.0


@dataclass(frozen=True)
class Solution:
    """What a solver found."""

    theta: Tensor  # (B, dim)
    iterations: int
    converged: Tensor  # (B,)
    jacobian: Tensor  # (B, P, 2, dim) of the end points at theta


def solve(
    space: VelocitySpace,
    source: Tensor,  # (B, P, 2)
    target: Tensor,  # (B, P, 2)
    iterations: int | None,
) -> Solution:
    """Fit each of the B sets of points; a step that raises the cost is damped and tried again."""
    precision, covariance = _prior(space, source)
    theta = source.new_zeros(source.shape[0], space.dim)
    end, jacobian = transform_with_jacobian(space, theta, source)
    cost = _cost(theta, end - target, precision)
    damping = source.new_zeros(source.shape[0])
    active = torch.arange(source.shape[0], device=source.device)
    done = 0
    while done < (ITERATIONS if iterations is None else iterations) and len(active):
        done += 1
        step = _step(
            theta[active], (end - target)[active], jacobian[active], covariance, damping[active]
        )
        trial = theta[active] + step
        trial_end, trial_jacobian = transform_with_jacobian(space, trial, source[active])
        trial_cost = _cost(trial, trial_end - target[active], precision)
        gain = cost[active] - trial_cost
        better = gain >= 0
        converged = better & (gain <= _TOLERANCE * cost[active])
        damping[active] = torch.where(
            better, damping[active] / _DAMPING, (damping[active] * _DAMPING).clamp_min(NOISE)
        )
        accepted = active[better]
        theta[accepted], cost[accepted] = trial[better], trial_cost[better]
        end[accepted], jacobian[accepted] = trial_end[better], trial_jacobian[better]
        active = active[~converged]
    unfinished = torch.zeros(source.shape[0], dtype=torch.bool, device=source.device)
    unfinished[active] = True
    return Solution(theta, done, ~unfinished, jacobian)


def implicit(
    space: VelocitySpace,
    solution: Solution,
    residual: Tensor,  # (B, P, 2), with a gradient to the points
) -> Tensor:  # (B, dim)
    """The solution's theta with the gradient of the implicit function theorem.

    One more undamped step in which only the residual carries a gradient; its value adds nothing.
    """
    _, covariance = _prior(space, residual)
    jacobian = _double(solution.jacobian.flatten(1, 2))
    nu = jacobian.new_full((len(jacobian),), NOISE)
    gain, system = _gain(jacobian, covariance, nu)
    by_residual = (gain @ torch.linalg.inv(system)).to(residual.dtype).to(residual.device)
    change = (residual - residual.detach()).flatten(1)
    return solution.theta - _apply(by_residual, change)


def _step(
    theta: Tensor,  # (B, dim)
    residual: Tensor,  # (B, P, 2)
    jacobian: Tensor,  # (B, P, 2, dim)
    covariance: Tensor,  # (dim, dim) float64
    damping: Tensor,  # (B,)
) -> Tensor:  # (B, dim)
    nu = _double(NOISE + damping)
    linear = _double(jacobian.flatten(1, 2))
    gain, system = _gain(linear, covariance, nu)
    sides = torch.stack([residual.flatten(1), _apply(jacobian.flatten(1, 2), theta)], dim=-1)
    solved = torch.linalg.solve(system, _double(sides))
    toward_zero = _double(theta) - _apply(gain, solved[..., 1])
    step = -_apply(gain, solved[..., 0]) - (NOISE / nu)[:, None] * toward_zero
    return step.to(theta.dtype).to(theta.device)


def _gain(jacobian: Tensor, covariance: Tensor, nu: Tensor) -> tuple[Tensor, Tensor]:
    """S J^T (B, dim, 2 P) and M (B, 2 P, 2 P)."""
    gain = (jacobian @ covariance).transpose(1, 2)
    identity = torch.eye(jacobian.shape[1], dtype=jacobian.dtype, device=jacobian.device)
    return gain, jacobian @ gain + nu[:, None, None] * identity


def _apply(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[..., None]).squeeze(-1)


def _cost(theta: Tensor, residual: Tensor, precision: Tensor) -> Tensor:
    return residual.square().sum((1, 2)) + NOISE * ((theta @ precision) * theta).sum(1)


@lru_cache(maxsize=32)
def _float64_prior(space: VelocitySpace) -> tuple[Tensor, Tensor]:
    precision = smoothness_precision(space)
    return precision, torch.linalg.inv(precision)


def _double(tensor: Tensor) -> Tensor:
    return tensor.to(_solving_device(tensor)).double()


def _solving_device(tensor: Tensor) -> torch.device:
    """Where float64 is to be had: the tensor's own device, but the CPU for MPS."""
    return torch.device("cpu") if tensor.device.type == "mps" else tensor.device


def _prior(space: VelocitySpace, like: Tensor) -> tuple[Tensor, Tensor]:
    """P in the dtype of `like` and S in float64, in which alone the systems are safe to solve."""
    precision, covariance = _float64_prior(space)
    return precision.to(like.dtype).to(like.device), covariance.to(_solving_device(like))
