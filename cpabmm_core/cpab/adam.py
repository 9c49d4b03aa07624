"""The paper's fit: Adam on the squared residuals from theta = 0, stopped early."""

import torch

from cpabmm_core.cpab.problem import Problem, Solution
from cpabmm_core.cpab.transform import transform, transform_with_jacobian

ITERATIONS = 200
_RATE, _BETA1, _BETA2, _EPSILON = 1e-2, 0.9, 0.999, 1e-8


def solve(problem: Problem, iterations: int | None) -> Solution:
    """Minimise the weighted mean squared residual of each set of pairs on its own.

    Convergence is not tested: the number of iterations is the method's prior.
    """
    space, source, theta = problem.space, problem.source, problem.start
    mean, square = torch.zeros_like(theta), torch.zeros_like(theta)
    tiny = torch.finfo(theta.dtype).tiny
    share = problem.weights / problem.weights.sum(1, keepdim=True).clamp_min(tiny)
    total = ITERATIONS if iterations is None else iterations
    for k in range(1, total + 1):
        end, jacobian = transform_with_jacobian(space, theta, source)
        weighted = share[..., None] * (end - problem.target)
        gradient = torch.einsum("bpi,bpid->bd", weighted, jacobian)
        mean = _BETA1 * mean + (1 - _BETA1) * gradient
        square = _BETA2 * square + (1 - _BETA2) * gradient**2
        theta = theta - _RATE * (mean / (1 - _BETA1**k)) / (
            (square / (1 - _BETA2**k)).sqrt() + _EPSILON
        )
    done = torch.full((len(theta),), total, device=theta.device)
    return Solution(
        theta, transform(space, theta, source), done, torch.ones_like(done, dtype=torch.bool)
    )
