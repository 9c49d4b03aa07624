"""One transformation in place of two that follow each other."""

import torch
from torch import Tensor

from cpabmm_core.cpab.fit import FitResult, fit
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.cpab.transform import transform
from cpabmm_core.geometry.coordinates import identity_grid, to_unit_square

_POINTS_PER_SIDE = 4  # of each of the tessellation's squares: 4 points a triangle
_NOISE = 1e-13  # next to no prior: the lattice says enough about every field


def compose(
    space: VelocitySpace,
    first: Tensor,  # (B, dim)
    second: Tensor,  # (B, dim)
) -> FitResult:
    """Find theta with T^theta close to "first, then second", T^second(T^first(x)).

    CPAB transformations are no group: what two of them do together is, in general, no third one's
    doing. The points themselves follow both exactly with two calls of `transform`; this is for
    where a single theta is wanted. It is exact where the two fields commute (multiples of one
    field, translations) and else the least-squares fit over the square, with nothing for a
    prior: Levenberg-Marquardt from first + second, which is right to first order (Baker-Campbell-
    Hausdorff). The inverse needs no fit: it is -theta, or ``transform(..., inverse=True)``.

    Args:
        space: admissible fields of all three.
        first: float32 or float64.
        second: same shape, dtype and device.

    Returns:
        Detached. ``residual`` (B, P, 2) says what is lost, in sides of the square: T^theta minus
        the composition at the points of a lattice over the square, row by row, 4 to the side of
        each of the tessellation's squares.

    Raises:
        ValueError: shapes, dtypes or devices that do not fit.

    Example:
        >>> space = VelocitySpace(Tessellation(2, 2))
        >>> theta = torch.full((1, space.dim), 0.1)
        >>> torch.allclose(compose(space, theta, 2 * theta).theta, 3 * theta, atol=1e-4)
        True
    """
    if second.shape != first.shape:
        raise ValueError(
            f"first and second: expected one shape, got {tuple(first.shape)} "
            f"and {tuple(second.shape)}"
        )
    with torch.no_grad():
        points = _lattice(space, first).expand(len(first), -1, -1)
        target = transform(space, second, transform(space, first, points))
        return fit(space, points, target, start=first + second, noise=_NOISE)


def _lattice(space: VelocitySpace, like: Tensor) -> Tensor:  # (1, P, 2)
    """The middles of equal rectangles that tile the square: sums over them are integrals."""
    tess = space.tessellation
    rows, columns = tess.ny * _POINTS_PER_SIDE, tess.nx * _POINTS_PER_SIDE
    grid = identity_grid(rows, columns, device=like.device, dtype=like.dtype)
    shrink = grid.new_tensor([1 - 1 / columns, 1 - 1 / rows])
    return to_unit_square(grid * shrink).view(1, -1, 2)
