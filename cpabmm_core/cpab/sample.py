"""Random transformations from a smooth prior on velocity fields."""

import math
from functools import lru_cache

import torch
from torch import Tensor

from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.errors import ConfigError

_WHITE_NOISE = 1e-10
"""Variance added to each vertex, relative to the prior's: it keeps the covariance invertible."""
_MOST_NOISE = 0.1
"""Share of the variance from which on a draw would be noise more than motion."""


def sample(
    space: VelocitySpace,
    count: int = 1,
    *,
    magnitude: float = 0.05,
    length_scale: float = 0.25,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:  # (count, dim)
    """Draw theta of smooth random velocity fields: Gaussian, mean 0.

    The velocities at the vertices are a Gaussian process, x and y apart, with the covariance
    K(p, q) = exp(-|p - q|^2 / (2 length_scale^2)), *conditioned* on being a field of the space:
    cov(theta) = s (B^T K^-1 B)^-1 with B (2 V, dim) the ``vertex_basis``. The scale s makes the
    expected mean square velocity magnitude^2.

    Convention:
        Lengths are in sides of the unit square. For small velocities the displacement is the
        velocity, so magnitude is about the r.m.s. distance that points move.

    Args:
        space: admissible fields.
        count: how many.
        magnitude: r.m.s. velocity over the square and over all draws, at least 0.
        length_scale: distance over which the motion changes, above 0; below a triangle's size the
            vertices move independently. Under a zero boundary lengths beyond a side change little,
            and somewhere from 20 to 100 they are refused: the walls hold what is that stiff.
        generator: source of the numbers; None takes torch's global one. Draws come from the
            generator's device (the CPU without one) and are then moved, so a seed means the same
            theta on every device and, to rounding, in every dtype.
        dtype: of the result.
        device: of the result.

    Raises:
        ConfigError: an argument out of its range, or a length scale at which the space, by its
            boundary or volume, leaves nothing of the motion.

    Source: the prior of Freifeld et al., "Transformations Based on Continuous Piecewise-Affine
    Velocity Fields", PAMI 2017, which *projects* the covariance, B^+ K B^+^T. That cuts a field off
    at the walls; conditioning lets it fade there.

    Example:
        >>> space = VelocitySpace(Tessellation(4, 4), boundary="zero")
        >>> sample(space, 3, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([3, 62])
    """
    _check(count, magnitude, length_scale)
    where = generator.device if generator is not None else torch.device("cpu")
    normal = torch.randn(count, space.dim, generator=generator, device=where)
    theta = magnitude * normal.cpu().double() @ _root(space, length_scale)
    return theta.to(dtype).to(device)


@lru_cache(maxsize=8)
def _root(space: VelocitySpace, length_scale: float) -> Tensor:  # (dim, dim) float64
    """The symmetric root of theta's covariance at unit magnitude.

    Symmetric because it is the only one without a freedom of sign or rotation: a seed stands for
    the same theta on every machine.
    """
    vertices = torch.from_numpy(space.tessellation.vertices)
    covariance = torch.exp(-0.5 * (torch.cdist(vertices, vertices) / length_scale) ** 2)
    covariance += _WHITE_NOISE * torch.eye(len(vertices))
    basis = space.vertex_basis.permute(1, 2, 0)  # (V, 2, dim)
    factor = torch.linalg.cholesky(covariance)
    whitened = torch.linalg.solve_triangular(factor, basis.flatten(1), upper=False)
    # Singular values, not B^T K^-1 B: the smoothest fields are the smallest, and squares lose them.
    _, values, rows = torch.linalg.svd(whitened.view_as(basis).flatten(0, 1), full_matrices=False)
    root: Tensor = (rows.T / values) @ rows
    weights, flat = _mean_square(space), basis.flatten(0, 1)
    square = (root @ weights @ root).trace().item()
    noise = _WHITE_NOISE * torch.linalg.solve(flat.T @ flat, weights).trace().item()
    if noise > _MOST_NOISE * square:
        raise ConfigError(
            f"length_scale: at {length_scale:g} sides the space leaves nothing of the motion; "
            "take a shorter one"
        )
    return root / math.sqrt(square) if space.dim else root


def _mean_square(space: VelocitySpace) -> Tensor:  # (dim, dim) float64
    """G with theta^T G theta the mean of |v|^2 over the square, exact for piecewise affine v."""
    corners = space.vertex_basis[:, torch.from_numpy(space.tessellation.triangles)]
    # Over a triangle the product of two barycentric coordinates averages 1/12, a square 1/6.
    weights = (torch.ones(3, 3) + torch.eye(3)).double() / 12 / space.tessellation.cells
    return torch.einsum("acvi,vw,bcwi->ab", corners, weights, corners)


def _check(count: int, magnitude: float, length_scale: float) -> None:
    if count < 0:
        raise ConfigError(f"count: expected at least 0, got {count}")
    if not (math.isfinite(magnitude) and magnitude >= 0):
        raise ConfigError(f"magnitude: expected a number of at least 0, got {magnitude:g}")
    if not (math.isfinite(length_scale) and length_scale > 0):
        raise ConfigError(f"length_scale: expected a number above 0, got {length_scale:g}")
