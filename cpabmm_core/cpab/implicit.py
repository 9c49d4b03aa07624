"""Gradient of a fit by the implicit function theorem.

At the solution the objective's slope g(eta; source, target) is 0, whatever the points. So, for an
upstream gradient u by eta, the gradient by the points is

    -d/d(points) [z . g],  H z = u,  H = dg/deta.

Products of second derivatives with z are differences of exact first ones, in float64. The system
is solved by conjugate gradients, with the Gauss-Newton matrix, which leaves out the curvature of
the residuals, to precondition it.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from cpabmm_core.cpab import gauss_newton
from cpabmm_core.cpab.problem import Problem
from cpabmm_core.cpab.transform import transform

_ITERATIONS = 8
_DIFFERENCE = 1e-5
"""Length in eta over which slopes are compared; a fit's eta is of the order of 1."""


def attach(
    problem: Problem,
    theta: Tensor,  # (B, dim) the solution
    source: Tensor,  # (B, P, 2)
    target: Tensor,  # (B, P, 2)
) -> Tensor:  # (B, dim)
    """The solution's theta with its gradient to the points; second derivatives are refused."""
    attached: Tensor = _Implicit.apply(problem, theta, source, target)
    return attached


class _Implicit(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        problem: Problem,
        theta: Tensor,
        source: Tensor,
        target: Tensor,
    ) -> Tensor:
        ctx.problem = problem
        ctx.save_for_backward(theta)
        ctx.like = source
        return theta.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, Tensor, Tensor]:  # noqa: ANN401
        problem: Problem = ctx.problem
        (theta,) = ctx.saved_tensors
        theta, gradient = theta.to(problem.start), gradient.to(problem.start)
        eta = theta @ gauss_newton.precision_root(problem.space, theta)
        by_eta = gradient @ gauss_newton.whitening(problem.space, theta)
        direction = _solve(problem, eta, by_eta)
        _, by_source, by_target = _slope_change(problem, eta, direction)
        return None, None, -by_source.to(ctx.like), -by_target.to(ctx.like)


def _solve(problem: Problem, eta: Tensor, side: Tensor) -> Tensor:
    """Solve H z = side for z, each (B, dim); where H curves downward it stays with what it has."""
    factor = gauss_newton.normal_factor(problem, gauss_newton.evaluate(problem, eta))

    def precondition(vector: Tensor) -> Tensor:
        return gauss_newton.solve_factored(factor, vector)

    solution, left = torch.zeros_like(side), side
    direction = fitted = precondition(left)
    size = (left * fitted).sum(1, keepdim=True)
    for _ in range(_ITERATIONS):
        image, _, _ = _slope_change(problem, eta, direction)
        curvature = (direction * image).sum(1, keepdim=True)
        stride = torch.where(curvature > 0, size / curvature, 0.0).nan_to_num(0.0)
        solution = solution + stride * direction
        left = left - stride * image
        fitted = precondition(left)
        before, size = size, (left * fitted).sum(1, keepdim=True)
        direction = fitted + torch.where(before > 0, size / before, 0.0) * direction
    return solution


def _slope_change(
    problem: Problem, eta: Tensor, direction: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Derivatives along the direction of the objective's slopes by eta, source and target."""
    length = direction.norm(dim=1, keepdim=True).clamp_min(torch.finfo(eta.dtype).tiny)
    step = _DIFFERENCE / length * direction
    scale = (length / (2 * _DIFFERENCE))[..., None]
    ahead, behind = _slopes(problem, eta + step), _slopes(problem, eta - step)
    by_eta, by_source, by_target = (a - b for a, b in zip(ahead, behind, strict=True))
    return by_eta * scale[..., 0], by_source * scale, by_target * scale


def _slopes(problem: Problem, eta: Tensor) -> tuple[Tensor, ...]:
    """Gradients of half the objective by eta, source and target."""
    with torch.enable_grad():
        at = [points.detach().requires_grad_() for points in (eta, problem.source, problem.target)]
        theta = at[0] @ gauss_newton.whitening(problem.space, eta).T
        end = transform(problem.space, theta, at[1])
        misfit = gauss_newton.misfit(replace(problem, target=at[2]), end)
        roughness = gauss_newton.prior_weight(problem) * at[0].square().sum(1)
        return torch.autograd.grad((misfit + roughness).sum() / 2, at)
