"""CPAB transformation of points, differentiable in theta and in the points."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from cpabmm_core.cpab.integrate import Steps, integrate, sensitivities
from cpabmm_core.cpab.space import VelocitySpace


def transform(
    space: VelocitySpace,
    theta: Tensor,  # (B, dim)
    points: Tensor,  # (B, P, 2) as (x, y), the unit square is [0, 1]^2
    *,
    inverse: bool = False,
) -> Tensor:  # (B, P, 2)
    """Move each point along the velocity field of its theta for one unit of time.

    T^theta(x) is the solution at t = 1 of dx/dt = v(x), x(0) = x (Freifeld et al., Eq. 4). Points
    may lie outside the square: with a free boundary the field goes on there; with a zero boundary
    they move as the nearest point of the square does. First derivatives are exact to rounding;
    second ones are refused by autograd.

    Args:
        space: admissible fields.
        theta: coordinates of the fields in ``space.basis``.
        points: float32 or float64, same dtype and device as theta.
        inverse: apply T^(-theta), the inverse.

    Raises:
        ValueError: shapes, dtypes or devices that do not fit.

    Example:
        >>> space = VelocitySpace(Tessellation(4, 4))
        >>> points = torch.rand(1, 5, 2)
        >>> torch.equal(transform(space, torch.zeros(1, space.dim), points), points)
        True
    """
    _check(space, theta, points)
    affine = space.affine(-theta if inverse else theta)
    if space.boundary == "zero":
        inside = points.clamp(0, 1)
        return flow(space, affine, inside) + (points - inside)
    return flow(space, affine, points)


def flow(
    space: VelocitySpace,
    affine: Tensor,  # (B, cells, 2, 3)
    points: Tensor,  # (B, P, 2)
) -> Tensor:  # (B, P, 2)
    """As `transform`, from the cells' affine maps and without checks."""
    end: Tensor = _Flow.apply(space, affine, points)
    return end


def transform_with_jacobian(
    space: VelocitySpace,
    theta: Tensor,  # (B, dim)
    points: Tensor,  # (B, P, 2)
) -> tuple[Tensor, Tensor]:  # (B, P, 2), (B, P, 2, dim)
    """End points and their derivative with respect to theta, detached from the graph."""
    with torch.no_grad():
        batch, count, _ = points.shape
        cells = space.tessellation.cells
        inside = points.clamp(0, 1) if space.boundary == "zero" else points
        maps = space.affine(theta).reshape(-1, 6)
        planes = space.tensor("half_planes", points)
        end, steps = integrate(space.tessellation, planes, maps, inside, record=True)
        unit = torch.eye(2, dtype=points.dtype, device=points.device)
        covectors = unit[:, :, None].repeat(1, 1, batch * count)
        rows = [step.point * cells + step.cell % cells for step in steps]
        by_map, _ = sensitivities(steps, maps, covectors, rows, batch * count * cells)
        by_map = by_map.view(-1, cells, 2, 6).transpose(1, 2).reshape(-1, cells * 6)
        jacobian = by_map @ space.tensor("basis", theta).flatten(1).T
    return end + (points - inside), jacobian.view(batch, count, 2, space.dim)


class _Flow(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, space: VelocitySpace, affine: Tensor, points: Tensor) -> Tensor:  # noqa: ANN401
        maps = affine.detach().reshape(-1, 6)
        record = affine.requires_grad or points.requires_grad
        planes = space.tensor("half_planes", points)
        end, steps = integrate(space.tessellation, planes, maps, points.detach(), record=record)
        ctx.save_for_backward(maps)
        ctx.steps = steps
        ctx.affine_shape = affine.shape
        return end

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, Tensor]:  # noqa: ANN401
        (maps,) = ctx.saved_tensors
        steps: list[Steps] = ctx.steps
        covectors = gradient.reshape(1, -1, 2).transpose(1, 2).contiguous()
        rows = [step.cell for step in steps]
        by_map, by_point = sensitivities(steps, maps, covectors, rows, maps.shape[0])
        return None, by_map.view(ctx.affine_shape), by_point[0].T.reshape(gradient.shape)


def _check(space: VelocitySpace, theta: Tensor, points: Tensor) -> None:
    if theta.ndim != 2 or theta.shape[1] != space.dim:
        raise ValueError(f"theta: expected (B, {space.dim}), got {tuple(theta.shape)}")
    if points.ndim != 3 or points.shape[2] != 2 or points.shape[0] != theta.shape[0]:
        raise ValueError(f"points: expected ({theta.shape[0]}, P, 2), got {tuple(points.shape)}")
    if points.dtype not in (torch.float32, torch.float64) or theta.dtype != points.dtype:
        raise ValueError(
            "expected theta and points both float32 or both float64, "
            f"got {theta.dtype} and {points.dtype}"
        )
    if theta.device != points.device:
        raise ValueError(f"expected one device, got {theta.device} and {points.device}")
