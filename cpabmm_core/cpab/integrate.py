"""Exact integration of piecewise-affine fields: from one crossing of a triangle edge to the next.

Inside a cell the path solves the linear equation dx/dt = A x + b, so over a step h with
h |A| <= 2 it is its Taylor polynomial to rounding error. A step ends where the path leaves the
cell (the root of a polynomial), where |A| asks for it, or at the end of time. The velocity is
continuous across edges, so the sensitivities are too and need no correction there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cpabmm_core.cpab.tessellation import Tessellation

_STEP = 2.0
"""Bound of h |A|; below pi, so that the distance from an edge turns at most once in a step."""


class _Precision(NamedTuple):
    remainder: float
    """Bound of what the Taylor polynomials leave out, as a part of the displacement."""
    nodes: int
    """Gauss-Legendre nodes for the sensitivities of a step."""
    newton: int
    """Iterations for the time of a crossing."""
    shortest: float
    """Shortest step, so that no path can be stuck between cells by rounding."""


_PRECISION = {
    torch.float32: _Precision(remainder=1e-7, nodes=5, newton=5, shortest=1e-4),
    torch.float64: _Precision(remainder=1e-16, nodes=9, newton=8, shortest=1e-8),
}


@dataclass(frozen=True)
class Steps:
    """One round of steps, each of one point within one cell."""

    point: Tensor  # (m,) which of the M points
    cell: Tensor  # (m,) row of the table of maps: transformation * cells + cell
    x: Tensor  # (m,) where the step starts
    y: Tensor  # (m,)
    duration: Tensor  # (m,)
    order: int  # of the Taylor polynomials that these durations ask for


def integrate(
    tess: Tessellation,
    half_planes: Tensor,  # (cells, 4, 3)
    maps: Tensor,  # (B * cells, 6)
    points: Tensor,  # (B, P, 2)
    *,
    record: bool,
) -> tuple[Tensor, list[Steps]]:
    """Carry the points along the field for one unit of time.

    Returns:
        The end points (B, P, 2) and, if `record`, the rounds of steps that led there.
    """
    precision = _PRECISION[points.dtype]
    batch, count, _ = points.shape
    table, planes = maps.T.contiguous(), half_planes.flatten(1).T.contiguous()
    end = points.reshape(-1, 2).T.clone()  # (2, M)
    steps: list[Steps] = []

    point = torch.arange(batch * count, device=points.device)
    x, y = end.clone()
    first_cell = point.div(max(count, 1), rounding_mode="floor") * tess.cells
    here = tess.locate(x, y)
    left = torch.ones_like(x)
    while point.numel():
        cell = first_cell + here
        matrix = table.index_select(1, cell)
        norm = _norm(matrix)
        duration = torch.minimum(left, _STEP / norm)
        order = _order(norm * duration, precision.remainder)
        path = _taylor(matrix, x, y, duration, order)
        slack = _slack(tess, x, y)
        fraction = _first_exit(planes.index_select(1, here), x, y, path, slack, precision.newton)
        step = torch.maximum(duration * fraction, left.clamp_max(precision.shortest))
        if record:
            steps.append(Steps(point, cell, x, y, step, order))
        _, displacement = _evaluate(path, step / duration)
        x, y = x + displacement[0], y + displacement[1]
        left = left - step

        end[:, point] = torch.stack([x, y])
        going = (left > 0).nonzero().squeeze(1)
        point, first_cell, left = point[going], first_cell[going], left[going]
        x, y = x[going], y[going]
        here = tess.locate(x, y)
    return end.T.reshape(points.shape), steps


def sensitivities(
    steps: Sequence[Steps],
    maps: Tensor,  # (B * cells, 6)
    covectors: Tensor,  # (C, 2, M) at the end points
    row_of_step: Sequence[Tensor],  # per round, (m,) row of the result that a step adds to
    rows: int,
) -> tuple[Tensor, Tensor]:
    """Derivatives of covectors . end points: adjoint equations solved backward along the steps.

    Returns:
        (rows, C, 6) with respect to the cells' maps, summed per row, and (C, 2, M) with respect to
        the starting points.
    """
    precision = _PRECISION[maps.dtype]
    table = maps.T.contiguous()
    nodes, weights = _quadrature(precision, maps)
    covectors = covectors.clone()
    gradient = maps.new_zeros(rows, covectors.shape[0] * 6)
    for step, row in zip(reversed(steps), reversed(row_of_step), strict=True):
        matrix = table.index_select(1, step.cell)
        path = _taylor(matrix, step.x, step.y, step.duration, step.order)
        start = torch.stack([step.x, step.y])
        positions = _at_nodes(start[None], path[:, None], nodes)[:, 0]  # (n, 2, m)
        costate = covectors.index_select(2, step.point)  # (C, 2, m)
        series = _adjoint_taylor(matrix, costate, step.duration, step.order)
        costates = _at_nodes(costate, series, 1 - nodes)  # (n, C, 2, m)
        costates = costates * weights.view(-1, 1, 1, 1) * step.duration
        linear = torch.einsum("ncim,njm->mcij", costates, positions)
        constant = costates.sum(0).permute(2, 0, 1)[..., None]
        gradient.index_add_(0, row, torch.cat([linear, constant], dim=3).flatten(1))
        covectors[:, :, step.point] = costate + series.sum(0)
    return gradient.view(rows, covectors.shape[0], 6), covectors


def _slack(tess: Tessellation, x: Tensor, y: Tensor) -> Tensor:
    """How far out of its cell, in sides of a square, a path goes before that is a crossing.

    A few units of rounding: beyond it `locate` and the half-planes agree on the next cell, and a
    path along an edge stays in one cell. The velocity being continuous, the cost in accuracy is
    of the order of rounding too.
    """
    reach = torch.maximum(x.abs(), y.abs()).clamp_min(1.0)
    return 8 * torch.finfo(x.dtype).eps * max(tess.nx, tess.ny) * reach


def _norm(matrix: Tensor) -> Tensor:
    """Frobenius norm of the linear parts, never 0."""
    squares = matrix[0] ** 2 + matrix[1] ** 2 + matrix[3] ** 2 + matrix[4] ** 2
    return squares.sqrt().clamp_min(torch.finfo(matrix.dtype).tiny ** 0.5)


def _order(size: Tensor, remainder: float) -> int:
    """Degree n at which size^n / (n + 1)! is below the remainder for the largest h |A|."""
    largest = min(float(size.max().nan_to_num(_STEP)), _STEP)
    order, term = 2, largest**2 / 6
    while term > remainder:
        order += 1
        term *= largest / (order + 1)
    return order


def _taylor(matrix: Tensor, x: Tensor, y: Tensor, duration: Tensor, order: int) -> Tensor:
    """(order, 2, m): coefficients of powers 1.. of t / duration in the path from (x, y)."""
    scaled = matrix * duration
    a, b, c, d = scaled[0], scaled[1], scaled[3], scaled[4]
    terms = torch.empty(order, 2, x.numel(), dtype=x.dtype, device=x.device)
    terms[0, 0] = a * x + b * y + scaled[2]
    terms[0, 1] = c * x + d * y + scaled[5]
    for k in range(1, order):
        u, w = terms[k - 1]
        terms[k, 0] = (a * u + b * w) / (k + 1)
        terms[k, 1] = (c * u + d * w) / (k + 1)
    return terms


def _adjoint_taylor(matrix: Tensor, costate: Tensor, duration: Tensor, order: int) -> Tensor:
    """(order, C, 2, m): coefficients of powers 1.. of the costate's path, time running backward."""
    scaled = matrix * duration
    a, b, c, d = scaled[0], scaled[1], scaled[3], scaled[4]
    terms = costate.new_empty(order, *costate.shape)
    u, w = costate[:, 0], costate[:, 1]
    for k in range(order):
        terms[k, :, 0] = (a * u + c * w) / (k + 1)
        terms[k, :, 1] = (b * u + d * w) / (k + 1)
        u, w = terms[k, :, 0], terms[k, :, 1]
    return terms


def _evaluate(path: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Derivative by s and value of a polynomial without constant term, at s."""
    value, slope = path[-1], path[-1] * path.shape[0]
    for k in range(path.shape[0] - 2, -1, -1):
        value = torch.addcmul(path[k], value, s)
        slope = torch.addcmul(path[k] * (k + 1), slope, s)
    return slope, value * s


def _first_exit(
    planes: Tensor,  # (12, m)
    x: Tensor,
    y: Tensor,
    path: Tensor,  # (order, 2, m)
    slack: Tensor,  # (m,)
    newton: int,
) -> Tensor:  # (m,)
    """Fraction of the step after which the path leaves its cell; 1 if it does not.

    The distance from an edge turns at most once within the step.
    """
    normal = planes.view(4, 3, -1)
    start = normal[:, 0] * x + normal[:, 1] * y + (normal[:, 2] + slack)
    powers = torch.arange(1, path.shape[0] + 1, device=x.device, dtype=x.dtype).view(-1, 1)
    displacement, final_slope = path.sum(0), (path.flatten(1) * powers).sum(0).view(2, -1)
    slope = normal[:, 0] * path[0, 0] + normal[:, 1] * path[0, 1]
    end = start + normal[:, 0] * displacement[0] + normal[:, 1] * displacement[1]
    end_slope = normal[:, 0] * final_slope[0] + normal[:, 1] * final_slope[1]
    outside = end < 0
    turning = (slope < 0) & (end_slope > 0) & ~outside
    fraction = torch.ones_like(x)
    edge, point = (outside | turning).nonzero(as_tuple=True)
    if not edge.numel():
        return fraction

    polynomial = (
        normal[edge, 0, point] * path[:, 0, point] + normal[edge, 1, point] * path[:, 1, point]
    )
    whole = torch.ones_like(polynomial[0])
    slopes = polynomial * powers
    turning_point = _root(-slopes[0], -slopes[1:], whole, newton)
    upper = torch.where(turning[edge, point], turning_point, whole)
    crossing = _root(start[edge, point], polynomial, upper, newton)
    return fraction.scatter_reduce(0, point, crossing, "amin")


def _root(start: Tensor, polynomial: Tensor, upper: Tensor, iterations: int) -> Tensor:
    """First s with start + polynomial(s) = 0; 1 where that is not negative at `upper`.

    Newton's method, bisecting where it would leave the bracket.
    """
    _, at_upper = _evaluate(polynomial, upper)
    past = start + at_upper < 0
    lower, higher = torch.zeros_like(upper), upper
    s = (upper * start / (-at_upper).clamp_min(torch.finfo(start.dtype).tiny)).clamp(lower, higher)
    for _ in range(iterations):
        slope, value = _evaluate(polynomial, s)
        value = value + start
        lower, higher = torch.where(value > 0, s, lower), torch.where(value > 0, higher, s)
        newton = s - value / slope
        inside = (newton >= lower) & (newton <= higher)
        s = torch.where(inside, newton, (lower + higher) / 2)
    return torch.where(past, s, 1.0)


def _at_nodes(start: Tensor, series: Tensor, nodes: Tensor) -> Tensor:
    """(n, *start.shape): start plus the polynomial series at each node."""
    order = series.shape[0]
    powers = nodes[:, None] ** torch.arange(1, order + 1, device=nodes.device)
    return start + (powers @ series.reshape(order, -1)).view(-1, *start.shape)


def _quadrature(precision: _Precision, like: Tensor) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(precision.nodes)
    both = torch.from_numpy(np.stack([(nodes + 1) / 2, weights / 2])).to(like.dtype)
    return both[0].to(like.device), both[1].to(like.device)
