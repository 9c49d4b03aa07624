"""CPAB transformation of points, differentiable in theta and the points."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from cpabmm_core.cpab.engines import engine_for, working_dtype
from cpabmm_core.cpab.space import VelocitySpace


def transform(
    space: VelocitySpace,
    theta: Tensor,  # (B, dim)
    points: Tensor,  # (B, P, 2) as (x, y), the unit square is [0, 1]^2
    *,
    inverse: bool = False,
) -> Tensor:  # (B, P, 2)
    """Move each point along the velocity field of its theta for one unit of time.

    T^theta(x0) is the solution x(1) of dx/dt = v(x), x(0) = x0 (Freifeld et al., Eq. 4). Points may
    lie outside the square: a free boundary continues the field there; with a zero boundary they
    move like the nearest point of the square. First derivatives are exact up to rounding. Second
    derivatives raise an error.

    Convention:
        Points are (x, y), x to the right and y downwards; the unit square is [0, 1]^2.

    Args:
        space: admissible fields.
        theta: coordinates of the fields in ``space.basis``.
        points: float32 or float64, same dtype and device as theta.
        inverse: apply the inverse, T^(-theta).

    Returns:
        The moved points, in the dtype and on the device of `points`.

    Raises:
        ValueError: shapes, dtypes or devices that do not fit.

    Example:
        >>> from cpabmm_core.cpab import Tessellation, VelocitySpace, sample
        >>> space = VelocitySpace(Tessellation(4, 4))
        >>> theta = sample(space, generator=torch.Generator().manual_seed(0))
        >>> points = torch.rand(1, 5, 2)
        >>> moved = transform(space, theta, points)
        >>> torch.allclose(transform(space, theta, moved, inverse=True), points, atol=1e-5)
        True
    """
    _check(space, theta, points)
    signed = -theta if inverse else theta
    inside = points.clamp(0, 1) if space.boundary == "zero" else points
    end: Tensor = _Flow.apply(space, signed, inside)
    return end if inside is points else end + (points - inside)


def transform_with_jacobian(
    space: VelocitySpace,
    theta: Tensor,  # (B, dim)
    points: Tensor,  # (B, P, 2)
    fields: Tensor | None = None,  # (dim, cells, 2, 3)
) -> tuple[Tensor, Tensor]:  # (B, P, 2), (B, P, 2, dim)
    """Return the moved points and their derivatives with respect to theta, both detached.

    With `fields`, theta are coordinates in these fields instead of the basis of the space.
    """
    with torch.no_grad():
        inside = points.clamp(0, 1) if space.boundary == "zero" else points
        if fields is None:
            fields = space.tensor("basis", theta.to(working_dtype(theta)))
        affine = (theta.to(fields.dtype) @ fields.flatten(1)).view(len(theta), *fields.shape[1:])
        end, jacobian = engine_for(points).jacobian(space, affine, inside, fields)
    return end + (points - inside), jacobian


class _Flow(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, space: VelocitySpace, theta: Tensor, points: Tensor) -> Tensor:  # noqa: ANN401
        engine = engine_for(points)
        basis = space.tensor("flat_basis", theta.to(working_dtype(theta)))
        affine = engine.product(theta.to(basis.dtype), basis)
        affine = affine.view(-1, space.tessellation.cells, 2, 3)
        end: Tensor
        end, record = engine.forward(
            space, affine, points, record=theta.requires_grad or points.requires_grad
        )
        ctx.backward_parts = engine, space, affine, record, theta.dtype
        return end

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, Tensor]:  # noqa: ANN401
        engine, space, affine, record, dtype = ctx.backward_parts
        by_map, by_point = engine.backward(space, affine, record, gradient)
        basis = space.tensor("flat_basis", affine)
        by_theta = engine.product(by_map.flatten(1), basis.T)
        return None, by_theta.to(dtype), by_point


def _check(space: VelocitySpace, theta: Tensor, points: Tensor) -> None:
    if theta.ndim != 2 or theta.shape[1] != space.dim:
        raise ValueError(f"theta: expected (B, {space.dim}), got {tuple(theta.shape)}")
    if points.ndim != 3 or points.shape[2] != 2 or points.shape[0] != theta.shape[0]:
        raise ValueError(f"points: expected ({theta.shape[0]}, P, 2), got {tuple(points.shape)}")
    if points.dtype not in (torch.float32, torch.float64) or theta.dtype != points.dtype:
        raise ValueError(
            "theta and points: expected both float32 or both float64, "
            f"got {theta.dtype} and {points.dtype}"
        )
    if theta.device != points.device:
        raise ValueError(
            f"theta and points: expected one device, got {theta.device} and {points.device}"
        )
