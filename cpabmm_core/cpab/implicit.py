"""Gradient of a fit by the implicit function theorem.

At the solution the gradient of the objective, g(eta; source, target), is 0 for all points. For an
upstream gradient u with respect to eta, the gradient with respect to the points is therefore

    -d/d(points) [z . g],  H z = u,  H = dg/deta.

Finite differences of exact first derivatives, in float64, give the products of second derivatives
with z.
Conjugate gradients solve the system, preconditioned by the Gauss-Newton matrix, which omits the
curvature of the residuals.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from cpabmm_core.cpab import gauss_newton
from cpabmm_core.cpab.engines import engine_for
from cpabmm_core.cpab.problem import Problem
from cpabmm_core.cpab.transformation import transform

_ITERATIONS = 8
_DIFFERENCE = 1e-5
"""Step of the finite differences in eta, whose values are of the order of 1."""


def attach(
    problem: Problem,
    theta: Tensor,  # (B, dim) the solution
    source: Tensor,  # (B, P, 2)
    target: Tensor,  # (B, P, 2)
) -> Tensor:  # (B, dim)
    """Return theta with its gradient to the points; second derivatives raise an error."""
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
        by_source, by_target = differentiate(
            problem, theta.to(problem.start), gradient.to(problem.start)
        )
        return None, None, -by_source.to(ctx.like), -by_target.to(ctx.like)


def differentiate(problem: Problem, theta: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Return d/d(points) [z . g] for the source and the target, each (B, P, 2)."""
    space, scale, engine = problem.space, problem.length_scale, engine_for(theta)
    eta = engine.product(theta, gauss_newton.precision_root(space, theta, scale))
    by_eta = engine.product(gradient, gauss_newton.whitening(space, theta, scale))
    loop = gauss_newton.compiled_loop(problem)
    if loop is not None:
        by_source, by_target = loop.gradient(
            problem,
            eta,
            by_eta,
            gauss_newton.vertex_fields(space, eta, scale),
            gauss_newton.prior_weight(problem),
            _ITERATIONS,
            _DIFFERENCE,
        )
    else:
        direction = _solve(problem, eta, by_eta)
        _, by_source, by_target = _directional_derivative(problem, eta, direction)
    return by_source, by_target


def _solve(problem: Problem, eta: Tensor, side: Tensor) -> Tensor:
    """Solve H z = side for z, each (B, dim); stop early along directions of negative curvature."""
    normal, _ = gauss_newton.normal_system(problem, gauss_newton.evaluate(problem, eta))
    factor = gauss_newton.factorise(normal)

    def precondition(vector: Tensor) -> Tensor:
        return gauss_newton.solve_factored(factor, vector)

    solution, residual = torch.zeros_like(side), side
    direction = preconditioned = precondition(residual)
    size = (residual * preconditioned).sum(1, keepdim=True)
    for _ in range(_ITERATIONS):
        image, _, _ = _directional_derivative(problem, eta, direction)
        curvature = (direction * image).sum(1, keepdim=True)
        stride = torch.where(curvature > 0, size / curvature, 0.0).nan_to_num(0.0)
        solution = solution + stride * direction
        residual = residual - stride * image
        preconditioned = precondition(residual)
        before, size = size, (residual * preconditioned).sum(1, keepdim=True)
        direction = preconditioned + torch.where(before > 0, size / before, 0.0) * direction
    return solution


def _directional_derivative(
    problem: Problem, eta: Tensor, direction: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Differentiate the gradients by eta, source and target along a direction in eta."""
    length = direction.norm(dim=1, keepdim=True).clamp_min(torch.finfo(eta.dtype).tiny)
    step = _DIFFERENCE / length * direction
    scale = (length / (2 * _DIFFERENCE))[..., None]
    ahead, behind = _gradients(problem, eta + step), _gradients(problem, eta - step)
    by_eta, by_source, by_target = (a - b for a, b in zip(ahead, behind, strict=True))
    return by_eta * scale[..., 0], by_source * scale, by_target * scale


def _gradients(problem: Problem, eta: Tensor) -> tuple[Tensor, ...]:
    """Return the gradients of half the objective by eta, source and target."""
    with torch.enable_grad():
        at = [points.detach().requires_grad_() for points in (eta, problem.source, problem.target)]
        whitening = gauss_newton.whitening(problem.space, eta, problem.length_scale)
        theta = at[0] @ whitening.T
        end = transform(problem.space, theta, at[1])
        misfit = gauss_newton.misfit(replace(problem, target=at[2]), end)
        roughness = gauss_newton.prior_weight(problem) * at[0].square().sum(1)
        return torch.autograd.grad((misfit + roughness).sum() / 2, at)
