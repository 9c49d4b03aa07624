"""Approximation of two consecutive transformations by a single one."""

import torch
from torch import Tensor

from cpabmm_core.cpab.fitting import FitResult, fit
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.cpab.transformation import transform
from cpabmm_core.geometry.coordinates import identity_grid, to_unit_square

_POINTS_PER_SIDE = 4  # per square of the tessellation: 4 points per triangle
_NOISE = 1e-13  # almost no prior, because the lattice alone determines the field


def compose(
    space: VelocitySpace,
    first: Tensor,  # (B, dim)
    second: Tensor,  # (B, dim)
) -> FitResult:
    """Find theta such that T^theta(x) is close to T^second(T^first(x)).

    CPAB transformations do not form a group: the composition of two is, in general, not a CPAB
    transformation. Two calls of `transform` move points by the exact composition; `compose` is for
    callers that need a single theta. It is exact if the two fields commute (multiples of one field,
    translations). Otherwise it is the least-squares fit over the square without a prior, by
    Levenberg-Marquardt from first + second, which is correct to first order (Baker-Campbell-
    Hausdorff). The inverse needs no fit: it is -theta, or ``transform(..., inverse=True)``.

    Args:
        space: admissible fields of all three transformations.
        first: the transformation to apply first; float32 or float64.
        second: the transformation to apply to the result; same shape, dtype and device.

    Returns:
        The fit, detached. ``residual`` (B, P, 2) is the error in sides of the square: T^theta minus
        the exact composition at the points of a lattice over the square, row by row, with 4 points
        along each side of the tessellation's squares.

    Raises:
        ValueError: shapes, dtypes or devices that do not fit.

    Example:
        >>> from cpabmm_core.cpab import Tessellation, VelocitySpace
        >>> space = VelocitySpace(Tessellation(2, 2))
        >>> theta = torch.full((1, space.dim), 0.1)
        >>> torch.allclose(compose(space, theta, 2 * theta).theta, 3 * theta, atol=1e-4)
        True
    """
    if second.shape != first.shape:
        raise ValueError(
            f"first and second: expected the same shape, got {tuple(first.shape)} "
            f"and {tuple(second.shape)}"
        )
    with torch.no_grad():
        points = _lattice(space, first).expand(len(first), -1, -1)
        target = transform(space, second, transform(space, first, points))
        return fit(space, points, target, start=first + second, noise=_NOISE)


def _lattice(space: VelocitySpace, like: Tensor) -> Tensor:  # (1, P, 2)
    """Return the centres of equal rectangles that tile the square, so that sums are integrals."""
    tess = space.tessellation
    rows, columns = tess.ny * _POINTS_PER_SIDE, tess.nx * _POINTS_PER_SIDE
    grid = identity_grid(rows, columns, device=like.device, dtype=like.dtype)
    shrink = grid.new_tensor([1 - 1 / columns, 1 - 1 / rows])
    return to_unit_square(grid * shrink).view(1, -1, 2)
