"""The paper's fit: Adam on the norm of the residuals, started at theta = 0 and stopped early.

The paper states Eq. 6 with an L1 norm. Its code minimises the Euclidean norm (not squared) of the
residuals of *all* sets of a call, in libcpab's coordinates. We follow the code:

    sqrt(sum_b sum_p w_bp |T^theta_b(source_bp) - target_bp|^2).

The square root keeps the steps long while the residuals shrink. It also couples the sets: the
gradient of each is divided by the norm of all, so that a set's theta depends slightly on the other
sets. `Problem.together` defines which sets share a norm.

The paper's code starts from 1e-6 in every coordinate. We start from 0, where the norm has a
gradient unless all residuals are 0, and then theta = 0 is the solution.
"""

import torch
from torch import Tensor

from cpabmm_core.cpab.axes import descent_axes, descent_fields
from cpabmm_core.cpab.problem import Problem, Solution
from cpabmm_core.cpab.transformation import transform, transform_with_jacobian

ITERATIONS = 200
_RATE, _BETA1, _BETA2, _EPSILON = 1e-2, 0.9, 0.999, 1e-8


def solve(problem: Problem, iterations: int | None) -> Solution:
    """Take a fixed number of steps.

    The early stop acts as the prior, so every set counts as converged.
    """
    space, start = problem.space, problem.start
    axes = space.constant("descent_axes", start, lambda: descent_axes(space))
    fields = space.constant("descent_fields", start, lambda: descent_fields(space))
    coordinates = start @ axes
    mean, square = torch.zeros_like(coordinates), torch.zeros_like(coordinates)
    total = ITERATIONS if iterations is None else iterations
    for k in range(1, total + 1):
        gradient = _gradient(problem, coordinates, fields)
        mean = _BETA1 * mean + (1 - _BETA1) * gradient
        square = _BETA2 * square + (1 - _BETA2) * gradient**2
        coordinates = coordinates - _RATE * (mean / (1 - _BETA1**k)) / (
            (square / (1 - _BETA2**k)).sqrt() + _EPSILON
        )
        problem.report(k, total)
    theta = coordinates @ axes.T
    steps = torch.full((len(theta),), total, device=theta.device)
    return Solution(
        theta,
        transform(space, theta, problem.source),
        steps,
        torch.ones_like(steps, dtype=torch.bool),
    )


def _gradient(
    problem: Problem,
    coordinates: Tensor,  # (B, dim)
    fields: Tensor,  # (dim, cells, 2, 3)
) -> Tensor:  # (B, dim)
    """Return the gradient of the norm of each group of sets; 0 where all residuals are 0."""
    sums, squares = torch.zeros_like(coordinates), torch.zeros_like(coordinates[:, 0])
    for part in problem.parts():
        end, jacobian = transform_with_jacobian(problem.space, coordinates, part.source, fields)
        residual = end - part.target
        weighted = part.weights[..., None] * residual
        squares = squares + (weighted * residual).sum((1, 2))
        sums = sums + torch.einsum("bpi,bpid->bd", weighted, jacobian)
    together = max(len(squares) if problem.together is None else problem.together, 1)
    shared = squares.view(-1, together).sum(1)
    norm = shared.sqrt().clamp_min(torch.finfo(shared.dtype).tiny).repeat_interleave(together)
    return sums / norm[:, None]
