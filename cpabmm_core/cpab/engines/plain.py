"""Exact integration of piecewise-affine fields in plain PyTorch, on any device.

A path proceeds from one crossing of a triangle edge to the next. Within a cell the path and its
distance from each edge have a closed form (`cpab.exponential`). A step ends at the first root of
these distances, at h rho = 2, where rho is the spectral radius of the cell's map, or when the unit
of time is over. The velocity is continuous across edges, and so are the sensitivities: they need no
correction there.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from cpabmm_core.cpab import exponential
from cpabmm_core.cpab.engines.plain_crossings import Path, edge_slack, first_exit, horner
from cpabmm_core.cpab.space import VelocitySpace

LONGEST = 2.0
"""Bound on h rho; below pi, so that a distance from an edge has at most one extremum per step."""


class Precision(NamedTuple):
    """Parameters of the integration that depend on the dtype."""

    remainder: float
    """Bound on the truncation error of the power series, relative to the displacement."""
    newton: int
    """Newton iterations for the time of a crossing."""
    shortest: float
    """Shortest step, which keeps rounding from trapping a path between cells."""


PRECISION = {
    torch.float32: Precision(remainder=3e-8, newton=5, shortest=1e-4),
    torch.float64: Precision(remainder=1e-16, newton=8, shortest=1e-12),
}


@dataclass(frozen=True)
class Round:
    """One step of each of m points, each within one cell."""

    point: Tensor  # (m,) index among the B * P points
    cell: Tensor  # (m,) column of the table of maps: transformation * cells + cell
    x: Tensor  # (m,) start of the step
    y: Tensor  # (m,)
    duration: Tensor  # (m,)


class _Maps:
    """The affine maps of the cells and the series of their exponentials, one column per map."""

    def __init__(self, affine: Tensor, remainder: float) -> None:
        self.table = affine.detach().reshape(-1, 6).T.contiguous()
        a, b, _, c, d, _ = self.table
        self.trace, self.determinant = a + d, a * d - b * c
        tiny = torch.finfo(affine.dtype).tiny ** 0.5
        radius = exponential.spectral_radius(self.trace, self.determinant)
        self.limit = LONGEST / radius.clamp_min(tiny)
        largest = float(radius.max().nan_to_num(LONGEST)) if radius.numel() else 0.0
        terms = exponential.order(min(largest, LONGEST), remainder)
        self.series = exponential.series(self.trace, self.determinant, terms)

    def velocity(self, cell: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return v0 = A x + b and A v0, each (2, m)."""
        matrix = self.table.index_select(1, cell)
        velocity = matrix[0::3] * x + matrix[1::3] * y + matrix[2::3]
        return velocity, matrix[0::3] * velocity[0] + matrix[1::3] * velocity[1]


def product(first: Tensor, second: Tensor) -> Tensor:
    """Return the matrix product."""
    return first @ second


def forward(
    space: VelocitySpace,
    affine: Tensor,  # (B, cells, 2, 3)
    points: Tensor,  # (B, P, 2)
    *,
    record: bool,
) -> tuple[Tensor, list[Round]]:
    """Move the points along the field for one unit of time.

    Returns:
        The end points (B, P, 2) and, if `record` is set, the rounds of steps that led there.
    """
    tess, precision = space.tessellation, PRECISION[affine.dtype]
    maps = _Maps(affine, precision.remainder)
    planes = space.tensor("half_planes", affine).flatten(1).T.contiguous()
    end = points.reshape(-1, 2).T.to(affine.dtype, copy=True)  # (2, M)
    rounds: list[Round] = []

    point = torch.arange(end.shape[1], device=points.device)
    x, y = end.clone()
    first_cell = point.div(max(points.shape[1], 1), rounding_mode="floor") * tess.cells
    here = tess.locate(x, y)
    left = torch.ones_like(x)
    while point.numel():
        cell = first_cell + here
        step = torch.minimum(left, maps.limit.index_select(0, cell))
        velocity, acceleration = maps.velocity(cell, x, y)
        path = Path(velocity, acceleration, maps.series[:, :2].index_select(2, cell), step)
        slack = edge_slack(tess, x, y)
        crossing = first_exit(planes.index_select(1, here), x, y, path, slack, precision.newton)
        step = torch.maximum(crossing, left.clamp_max(precision.shortest))
        if record:
            rounds.append(Round(point, cell, x, y, step))
        f, g = path.evaluate(step)
        x, y = torch.stack([x, y]) + f * velocity + g * acceleration
        left = left - step

        end[:, point] = torch.stack([x, y])
        going = (left > 0).nonzero().squeeze(1)
        point, first_cell, left = point[going], first_cell[going], left[going]
        x, y = x[going], y[going]
        here = tess.locate(x, y)
    return end.T.reshape(points.shape).to(points.dtype), rounds


def backward(
    space: VelocitySpace,
    affine: Tensor,  # (B, cells, 2, 3)
    rounds: list[Round],
    gradient: Tensor,  # (B, P, 2) at the end points
) -> tuple[Tensor, Tensor]:  # (B, cells, 2, 3), (B, P, 2)
    """Return the gradients with respect to the maps of the cells and the starting points."""
    covectors = gradient.to(affine.dtype).reshape(1, -1, 2).transpose(1, 2)
    rows = [step.cell for step in rounds]
    by_map, by_point = _sensitivities(affine, rounds, covectors, rows, affine[..., 0, 0].numel())
    return by_map.reshape(affine.shape), by_point[0].T.reshape(gradient.shape).to(gradient.dtype)


def jacobian(
    space: VelocitySpace,
    affine: Tensor,  # (B, cells, 2, 3)
    points: Tensor,  # (B, P, 2)
    directions: Tensor,  # (D, cells, 2, 3)
) -> tuple[Tensor, Tensor]:  # (B, P, 2), (B, P, 2, D)
    """Return the end points and their derivatives along directions in the space of the maps."""
    cells = space.tessellation.cells
    end, rounds = forward(space, affine, points, record=True)
    count = end[..., 0].numel()
    unit = torch.eye(2, dtype=affine.dtype, device=points.device)
    rows = [step.point * cells + step.cell % cells for step in rounds]
    covectors = unit[:, :, None].expand(2, 2, count)
    by_map, _ = _sensitivities(affine, rounds, covectors, rows, count * cells)
    by_map = by_map.view(count, cells, 2, 6).transpose(1, 2).reshape(-1, cells * 6)
    derivatives = by_map @ directions.flatten(1).T
    return end, derivatives.view(*end.shape, len(directions)).to(points.dtype)


def _sensitivities(
    affine: Tensor,  # (B, cells, 2, 3)
    rounds: list[Round],
    covectors: Tensor,  # (C, 2, M) at the end points
    row_of_step: list[Tensor],  # per round, (m,) row of the result that a step adds to
    rows: int,
) -> tuple[Tensor, Tensor]:
    """Differentiate covectors . end points by solving adjoint equations backwards along the steps.

    In a step of duration h the costate at t is exp((h - t) A^T) times the costate at the end of the
    step. The integral of costate [x, y, 1]^T follows from the moments of `cpab.exponential`.

    Returns:
        (rows, C, 6) with respect to the maps of the cells, summed per row, and (C, 2, M) with
        respect to the starting points.
    """
    precision = PRECISION[affine.dtype]
    maps = _Maps(affine, precision.remainder)
    covectors = covectors.clone()
    gradient = affine.new_zeros(rows, covectors.shape[0], 2, 3)
    for step, row in zip(reversed(rounds), reversed(row_of_step), strict=True):
        matrix = maps.table.index_select(1, step.cell)
        velocity, acceleration = maps.velocity(step.cell, step.x, step.y)
        costate = covectors.index_select(2, step.point)  # (C, 2, m)
        turned = costate[:, :1] * matrix[0:2] + costate[:, 1:] * matrix[3:5]  # A^T costate
        trace, determinant = maps.trace[step.cell], maps.determinant[step.cell]
        f, g, d, h = horner(maps.series.index_select(2, step.cell), step.duration)
        keep, turn = 1 - determinant * g, f + trace * g  # growth of the costate, exp(h A^T)
        fg = d - trace * h
        ff = g - trace * fg - determinant * h
        moments = torch.stack([torch.stack([f, ff, fg]), torch.stack([g, fg, h])])  # (2, 3, m)
        path = torch.stack([torch.stack([step.x, step.y]), velocity, acceleration])  # (3, 2, m)
        integral = torch.einsum("jkm,kim->jim", moments, path)
        costates = torch.stack([costate, turned])  # (2, C, 2, m)
        linear = torch.einsum("jcim,jkm->mcik", costates, integral)
        constant = torch.einsum("jcim,jm->mci", costates, moments[:, 0])
        gradient.index_add_(0, row, torch.cat([linear, constant[..., None]], dim=3))
        covectors[:, :, step.point] = keep * costate + turn * turned
    return gradient.flatten(2), covectors
