"""Random transformations from a smoothness prior on velocity fields."""

import math
from functools import lru_cache

import torch
from torch import Tensor

from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.errors import ConfigError

_WHITE_NOISE = 1e-10
"""Variance added to each vertex, relative to the prior's, to keep the covariance invertible."""
_MOST_NOISE = 0.1
"""Largest share of that white noise in the variance of a sample."""


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
    """Sample theta of smooth random velocity fields from a Gaussian of mean 0.

    The velocities at the vertices are a Gaussian process, independent in x and y, with covariance
    K(p, q) = exp(-|p - q|^2 / (2 length_scale^2)), *conditioned* on the constraints of the space:
    cov(theta) = s (B^T K^-1 B)^-1, where B (2 V, dim) is the ``vertex_basis``. The scale s makes
    the expected mean square velocity magnitude^2.

    Convention:
        Lengths are in sides of the unit square. Small velocities equal displacements, so magnitude
        is approximately the r.m.s. distance that points move.

    Args:
        space: admissible fields.
        count: number of samples.
        magnitude: r.m.s. velocity over the square and over all samples, at least 0.
        length_scale: distance over which the motion changes, above 0. Below the size of a triangle
            the vertices move independently. With a zero boundary, lengths beyond 1 change little
            and lengths above 20 to 100 raise an error, because such stiff motion is 0 everywhere.
        generator: source of the random numbers; None uses torch's global one. Numbers are sampled
            on the generator's device (the CPU without one) and then moved, so a seed gives the same
            theta on every device and, up to rounding, in every dtype.
        dtype: dtype of the result.
        device: device of the result.

    Returns:
        One theta per sample.

    Raises:
        ConfigError: an argument is out of range, or the boundary and volume constraints suppress
            all motion of that length scale.

    Source: the prior of Freifeld et al., "Transformations Based on Continuous Piecewise-Affine
    Velocity Fields", PAMI 2017, which *projects* the covariance, B^+ K B^+^T. Projection truncates
    a field at a zero boundary; conditioning lets it fade.

    Example:
        >>> from cpabmm_core.cpab import Tessellation, VelocitySpace
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
    """Return the symmetric root of theta's covariance at unit magnitude.

    The symmetric positive root is unique, so a seed gives the same theta on every machine.
    """
    vertices = torch.from_numpy(space.tessellation.vertices)
    covariance = torch.exp(-0.5 * (torch.cdist(vertices, vertices) / length_scale) ** 2)
    covariance += _WHITE_NOISE * torch.eye(len(vertices))
    basis = space.vertex_basis.permute(1, 2, 0)  # (V, 2, dim)
    factor = torch.linalg.cholesky(covariance)
    whitened = torch.linalg.solve_triangular(factor, basis.flatten(1), upper=False)
    # Forming B^T K^-1 B would square the singular values and lose the smallest (smooth fields).
    _, values, rows = torch.linalg.svd(whitened.view_as(basis).flatten(0, 1), full_matrices=False)
    root: Tensor = (rows.T / values) @ rows
    weights, flat = _mean_square(space), basis.flatten(0, 1)
    square = (root @ weights @ root).trace().item()
    noise = _WHITE_NOISE * torch.linalg.solve(flat.T @ flat, weights).trace().item()
    if noise > _MOST_NOISE * square:
        raise ConfigError(
            f"length_scale: the constraints of the space suppress all motion at {length_scale:g}",
            "use a shorter one",
        )
    return root / math.sqrt(square) if space.dim else root


def _mean_square(space: VelocitySpace) -> Tensor:  # (dim, dim) float64
    """Return G such that theta^T G theta is the exact mean of |v|^2 over the square."""
    corners = space.vertex_basis[:, torch.from_numpy(space.tessellation.triangles)]
    # Over a triangle, a product of two barycentric coordinates averages 1/12, a square 1/6.
    weights = (torch.ones(3, 3) + torch.eye(3)).double() / 12 / space.tessellation.cells
    return torch.einsum("acvi,vw,bcwi->ab", corners, weights, corners)


def _check(count: int, magnitude: float, length_scale: float) -> None:
    if count < 0:
        raise ConfigError(f"count: expected at least 0, got {count}")
    if not (math.isfinite(magnitude) and magnitude >= 0):
        raise ConfigError(f"magnitude: expected a number of at least 0, got {magnitude:g}")
    if not (math.isfinite(length_scale) and length_scale > 0):
        raise ConfigError(f"length_scale: expected a number above 0, got {length_scale:g}")
