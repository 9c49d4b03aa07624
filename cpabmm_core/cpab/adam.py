"""The paper's fit: Adam on the squared residuals from theta = 0, stopped early."""

import torch

from cpabmm_core.cpab.problem import Problem, Solution
from cpabmm_core.cpab.transform import transform

ITERATIONS = 200
_RATE, _BETA1, _BETA2, _EPSILON = 1e-2, 0.9, 0.999, 1e-8


def solve(problem: Problem, iterations: int | None) -> Solution:
    """Minimise the weighted mean squared residual of each set of pairs on its own.

    Convergence is not tested: the number of iterations is the method's prior.
    """
    space, source, theta = problem.space, problem.source, problem.start.clone()
    mean, square = torch.zeros_like(theta), torch.zeros_like(theta)
    share = problem.weights / problem.weights.sum(1, keepdim=True).clamp_min(1e-300)
    total = ITERATIONS if iterations is None else iterations
    for k in range(1, total + 1):
        with torch.enable_grad():
            theta.requires_grad_()
            squares = (transform(space, theta, source) - problem.target).square().sum(2)
            (gradient,) = torch.autograd.grad((share * squares).sum() / 2, theta)
        theta = theta.detach()
        mean = _BETA1 * mean + (1 - _BETA1) * gradient
        square = _BETA2 * square + (1 - _BETA2) * gradient**2
        theta = theta - _RATE * (mean / (1 - _BETA1**k)) / (
            (square / (1 - _BETA2**k)).sqrt() + _EPSILON
        )
    done = torch.full((len(theta),), total, device=theta.device)
    return Solution(
        theta, transform(space, theta, source), done, torch.ones_like(done, dtype=torch.bool)
    )
