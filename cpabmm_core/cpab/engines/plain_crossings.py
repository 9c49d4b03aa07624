"""Crossings of triangle edges for the engine `plain`: a path in closed form and its first exit."""

from typing import NamedTuple

import torch
from torch import Tensor

from cpabmm_core.cpab.tessellation import Tessellation


class Path(NamedTuple):
    """x(t) - x0 = F(t) v0 + G(t) A v0 over a step."""

    velocity: Tensor  # (2, m)
    acceleration: Tensor  # (2, m)
    series: Tensor  # (order, 2, m)
    duration: Tensor  # (m,)

    def evaluate(self, time: Tensor) -> Tensor:  # (m,) -> (2, m)
        """Return F and G at a time."""
        return horner(self.series, time)


def horner(coefficients: Tensor, time: Tensor) -> Tensor:
    """Evaluate polynomials without constant term; coefficients run along dimension 0."""
    value = coefficients[-1]
    for k in range(coefficients.shape[0] - 2, -1, -1):
        value = torch.addcmul(coefficients[k], value, time)
    return value * time


def edge_slack(tess: Tessellation, x: Tensor, y: Tensor) -> Tensor:
    """Return how far, in sides of a square, a path may leave its cell before it crosses an edge.

    The slack is a few machine epsilons. Beyond it `locate` and the half-planes agree on the next
    cell, and a path along an edge stays in one cell. The velocity is continuous, so the error is of
    the order of rounding.
    """
    reach = torch.maximum(x.abs(), y.abs()).clamp_min(1.0)
    return 8 * torch.finfo(x.dtype).eps * max(tess.nx, tess.ny) * reach


def first_exit(
    planes: Tensor,  # (12, m)
    x: Tensor,
    y: Tensor,
    path: Path,
    slack: Tensor,  # (m,)
    newton: int,
) -> Tensor:  # (m,)
    """Return the time when the path leaves its cell, or its duration if it does not.

    The distance from an edge has at most one extremum within the step.
    """
    normal = planes.view(4, 3, -1)
    start = normal[:, 0] * x + normal[:, 1] * y + (normal[:, 2] + slack)
    slope = normal[:, 0] * path.velocity[0] + normal[:, 1] * path.velocity[1]
    bend = normal[:, 0] * path.acceleration[0] + normal[:, 1] * path.acceleration[1]
    powers = torch.arange(1, len(path.series) + 1, device=x.device, dtype=x.dtype).view(-1, 1, 1)
    f, g = path.evaluate(path.duration)
    final_f, final_g = horner(path.series * powers, path.duration)  # t times the derivatives
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
    """Return the first t in [0, upper] with start + polynomial(t) = 0, or inf.

    `polynomial` has no constant term and start >= 0. Uses Newton's method, and bisects where it
    would leave the bracket.
    """
    powers = torch.arange(1, len(polynomial) + 1, device=start.device, dtype=start.dtype)
    derivative = polynomial * powers[:, None]
    at_upper = horner(polynomial, upper)
    past = start + at_upper < 0
    lower, higher = torch.zeros_like(upper), upper
    slope, bend = polynomial[0], 2 * polynomial[1]
    parabola = 2 * start / ((slope.square() - 2 * bend * start).clamp_min(0).sqrt() - slope)
    t = torch.where((parabola > 0) & (parabola < upper), parabola, upper / 2)
    for _ in range(iterations):
        value = start + horner(polynomial, t)
        lower, higher = torch.where(value > 0, t, lower), torch.where(value > 0, higher, t)
        newton = t - value * t / horner(derivative, t)
        inside = (newton >= lower) & (newton <= higher)
        t = torch.where(inside, newton, (lower + higher) / 2)
    return torch.where(past, t, torch.inf)
