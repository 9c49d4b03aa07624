"""The paper's fit: Adam on the norm of the residuals, from theta = 0, stopped early.

The paper writes Eq. 6 with an L1 norm. Its code minimises the Euclidean norm of the residuals of
*all* sets of a call, not squared, in libcpab's coordinates, and so do we:

    sqrt(sum_b sum_p w_bp |T^theta_b(source_bp) - target_bp|^2).

The root keeps the steps long while the residuals shrink. It also ties the sets together: the slope
of each is divided by the norm of all, which changes from step to step, so that a set's theta
depends a little on its company. ``Problem.together`` says which sets share a norm.

The paper's code begins with 1e-6 in every coordinate. We begin with 0, where the norm has a slope
unless nothing is to be moved, and then 0 is the answer.
"""

import torch
from torch import Tensor

from cpabmm_core.cpab.axes import descent_axes, descent_fields
from cpabmm_core.cpab.problem import Problem, Solution
from cpabmm_core.cpab.transform import transform, transform_with_jacobian

ITERATIONS = 200
_RATE, _BETA1, _BETA2, _EPSILON = 1e-2, 0.9, 0.999, 1e-8


def solve(problem: Problem, iterations: int | None) -> Solution:
    """Take so many steps; convergence is not tested, as their number is the method's prior."""
    space, start = problem.space, problem.start
    axes = space.constant("descent_axes", start, lambda: descent_axes(space))
    fields = space.constant("descent_fields", start, lambda: descent_fields(space))
    place = start @ axes
    mean, square = torch.zeros_like(place), torch.zeros_like(place)
    total = ITERATIONS if iterations is None else iterations
    for k in range(1, total + 1):
        end, jacobian = transform_with_jacobian(space, place, problem.source, fields)
        slope = _slope(problem, end - problem.target, jacobian)
        mean = _BETA1 * mean + (1 - _BETA1) * slope
        square = _BETA2 * square + (1 - _BETA2) * slope**2
        place = place - _RATE * (mean / (1 - _BETA1**k)) / (
            (square / (1 - _BETA2**k)).sqrt() + _EPSILON
        )
    theta = place @ axes.T
    done = torch.full((len(theta),), total, device=theta.device)
    return Solution(
        theta,
        transform(space, theta, problem.source),
        done,
        torch.ones_like(done, dtype=torch.bool),
    )


def _slope(
    problem: Problem,
    residual: Tensor,  # (B, P, 2)
    jacobian: Tensor,  # (B, P, 2, dim)
) -> Tensor:  # (B, dim)
    """Gradient of the norm, or of the norms; 0 where nothing is left."""
    weighted = problem.weights[..., None] * residual
    together = max(len(residual) if problem.together is None else problem.together, 1)
    squares = (weighted * residual).sum((1, 2)).view(-1, together).sum(1)
    norm = squares.sqrt().clamp_min(torch.finfo(squares.dtype).tiny).repeat_interleave(together)
    return torch.einsum("bpi,bpid->bd", weighted, jacobian) / norm[:, None]
