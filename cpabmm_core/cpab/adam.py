"""The paper's fit: Adam on the squared residuals from theta = 0, stopped early."""

import torch
from torch import Tensor

from cpabmm_core.cpab.gauss_newton import Solution
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.cpab.transform import transform_with_jacobian

ITERATIONS = 200
_RATE, _BETA1, _BETA2, _EPSILON = 1e-2, 0.9, 0.999, 1e-8


def solve(
    space: VelocitySpace,
    source: Tensor,  # (B, P, 2)
    target: Tensor,  # (B, P, 2)
    iterations: int | None,
) -> Solution:
    """Minimise the mean squared residual of each set of points on its own.

    Convergence is not tested: the number of iterations is the method's prior.
    """
    theta = source.new_zeros(source.shape[0], space.dim)
    mean, square = torch.zeros_like(theta), torch.zeros_like(theta)
    total = ITERATIONS if iterations is None else iterations
    for k in range(1, total + 1):
        end, jacobian = transform_with_jacobian(space, theta, source)
        gradient = torch.einsum("bpi,bpid->bd", end - target, jacobian) / source.shape[1]
        mean = _BETA1 * mean + (1 - _BETA1) * gradient
        square = _BETA2 * square + (1 - _BETA2) * gradient**2
        theta = theta - _RATE * (mean / (1 - _BETA1**k)) / (
            (square / (1 - _BETA2**k)).sqrt() + _EPSILON
        )
    _, jacobian = transform_with_jacobian(space, theta, source)
    converged = torch.ones(len(theta), dtype=torch.bool, device=theta.device)
    return Solution(theta, total, converged, jacobian)
