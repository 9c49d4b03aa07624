"""Exact integration of piecewise-affine fields in plain PyTorch, on any device.

A path is carried from one crossing of a triangle edge to the next. Within a cell it is given in
closed form (`cpab.exponential`), and so is its distance from each edge, whose first root ends the
step; a step also ends at h rho = 2, rho being the spectral radius of the cell's map, and at the end
of time. The velocity is continuous across edges, so the sensitivities are too and need no
correction there.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from cpabmm_core.cpab import exponential
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.cpab.tessellation import Tessellation

LONGEST = 2.0
"""Bound of h rho; below pi, so that the distance from an edge turns at most once in a step."""


class Precision(NamedTuple):
    """What rounding to a dtype asks of the integration."""

    remainder: float
    """Bound of what the power series leave out, as a part of the displacement."""
    newton: int
    """Iterations for the time of a crossing."""
    shortest: float
    """Shortest step, so that no path can be stuck between cells by rounding."""


PRECISION = {
    torch.float32: Precision(remainder=3e-8, newton=5, shortest=1e-4),
    torch.float64: Precision(remainder=1e-16, newton=8, shortest=1e-12),
}


@dataclass(frozen=True)
class Round:
    """One step of each of m points, each within one cell."""

    point: Tensor  # (m,) which of the B * P points
    cell: Tensor  # (m,) column of the table of maps: transformation * cells + cell
    x: Tensor  # (m,) where the step starts
    y: Tensor  # (m,)
    duration: Tensor  # (m,)


class _Maps:
    """The cells' affine maps and the series of their exponentials, one column a map."""

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
        """v0 = A x + b and A v0, each (2, m)."""
        matrix = self.table.index_select(1, cell)
        velocity = matrix[0::3] * x + matrix[1::3] * y + matrix[2::3]
        return velocity, matrix[0::3] * velocity[0] + matrix[1::3] * velocity[1]


def product(first: Tensor, second: Tensor) -> Tensor:
    """The matrix product."""
    return first @ second


def forward(
    space: VelocitySpace,
    affine: Tensor,  # (B, cells, 2, 3)
    points: Tensor,  # (B, P, 2)
    *,
    record: bool,
) -> tuple[Tensor, list[Round]]:
    """Carry the points along the field for one unit of time.

    Returns:
        The end points (B, P, 2) and, if `record`, the rounds of steps that led there.
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
        path = _Path(velocity, acceleration, maps.series[:, :2].index_select(2, cell), step)
        slack = _slack(tess, x, y)
        crossing = _first_exit(planes.index_select(1, here), x, y, path, slack, precision.newton)
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
    """Gradient with respect to the cells' maps and to the starting points."""
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
    """End points, and their derivatives along directions in the space of the cells' maps."""
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
    """Derivatives of covectors . end points: adjoint equations solved backward along the steps.

    In a step of duration h the costate at t is exp((h - t) A^T) times that at the step's end; the
    integral of costate [x, y, 1]^T is put together from the moments of `cpab.exponential`.

    Returns:
        (rows, C, 6) with respect to the cells' maps, summed per row, and (C, 2, M) with respect to
        the starting points.
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
        f, g, d, h = _horner(maps.series.index_select(2, step.cell), step.duration)
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


class _Path(NamedTuple):
    """x(t) - x0 = F(t) v0 + G(t) A v0 over a step."""

    velocity: Tensor  # (2, m)
    acceleration: Tensor  # (2, m)
    series: Tensor  # (order, 2, m)
    duration: Tensor  # (m,)

    def evaluate(self, time: Tensor) -> Tensor:  # (m,) -> (2, m)
        """F and G."""
        return _horner(self.series, time)


def _horner(coefficients: Tensor, time: Tensor) -> Tensor:
    """Value at `time` of polynomials without constant term; coefficients run along dimension 0."""
    value = coefficients[-1]
    for k in range(coefficients.shape[0] - 2, -1, -1):
        value = torch.addcmul(coefficients[k], value, time)
    return value * time


def _slack(tess: Tessellation, x: Tensor, y: Tensor) -> Tensor:
    """How far out of its cell, in sides of a square, a path goes before that is a crossing.

    A few units of rounding: beyond it `locate` and the half-planes agree on the next cell, and a
    path along an edge stays in one cell. The velocity being continuous, the cost in accuracy is
    of the order of rounding too.
    """
    reach = torch.maximum(x.abs(), y.abs()).clamp_min(1.0)
    return 8 * torch.finfo(x.dtype).eps * max(tess.nx, tess.ny) * reach


def _first_exit(
    planes: Tensor,  # (12, m)
    x: Tensor,
    y: Tensor,
    path: _Path,
    slack: Tensor,  # (m,)
    newton: int,
) -> Tensor:  # (m,)
    """When the path leaves its cell; its duration if it does not.

    The distance from an edge turns at most once within the step.
    """
    normal = planes.view(4, 3, -1)
    start = normal[:, 0] * x + normal[:, 1] * y + (normal[:, 2] + slack)
    slope = normal[:, 0] * path.velocity[0] + normal[:, 1] * path.velocity[1]
    bend = normal[:, 0] * path.acceleration[0] + normal[:, 1] * path.acceleration[1]
    powers = torch.arange(1, len(path.series) + 1, device=x.device, dtype=x.dtype).view(-1, 1, 1)
    f, g = path.evaluate(path.duration)
    final_f, final_g = _horner(path.series * powers, path.duration)  # t times the derivatives
    end = start + slope * f + bend * g
    outside = end < 0
    turning = (slope < 0) & (slope * final_f + bend * final_g > 0) & ~outside
    crossing = path.duration.clone()
    edge, point = (outside | turning).nonzero(as_tuple=True)
    if not edge.numel():
        return crossing

    series = path.series[:, :, point]
    distance = slope[edge, point] * series[:, 0] + bend[edge, point] * series[:, 1]
    slopes = distance * powers[:, 0]
    duration = path.duration[point]
    turning_point = _root(-slopes[0], -slopes[1:], duration, newton)
    upper = torch.where(turning[edge, point], turning_point, duration)
    root = _root(start[edge, point], distance, upper, newton)
    return crossing.scatter_reduce(0, point, root, "amin")


def _root(start: Tensor, polynomial: Tensor, upper: Tensor, iterations: int) -> Tensor:
    """First t in [0, upper] with start + polynomial(t) = 0; inf where there is none.

    `polynomial` has no constant term and start >= 0. Newton's method, bisecting where it would
    leave the bracket.
    """
    powers = torch.arange(1, len(polynomial) + 1, device=start.device, dtype=start.dtype)
    derivative = polynomial * powers[:, None]
    at_upper = _horner(polynomial, upper)
    past = start + at_upper < 0
    lower, higher = torch.zeros_like(upper), upper
    slope, bend = polynomial[0], 2 * polynomial[1]
    parabola = 2 * start / ((slope.square() - 2 * bend * start).clamp_min(0).sqrt() - slope)
    t = torch.where((parabola > 0) & (parabola < upper), parabola, upper / 2)
    for _ in range(iterations):
        value = start + _horner(polynomial, t)
        lower, higher = torch.where(value > 0, t, lower), torch.where(value > 0, higher, t)
        newton = t - value * t / _horner(derivative, t)
        inside = (newton >= lower) & (newton <= higher)
        t = torch.where(inside, newton, (lower + higher) / 2)
    return torch.where(past, t, torch.inf)
