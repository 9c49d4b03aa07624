"""Movements of another strength: poses between, or beyond, the source pose and a target pose."""

import torch
from torch import Tensor

from cpabmm_core.errors import ConfigError
from cpabmm_core.geometry import local_affine

MOST_MOTION = 10.0
"""The largest motion scale. Movements ten times as large leave every frame."""
_NEARLY_ROUND = 1e-4
"""Relative difference of two stretches below which they count as equal."""


def check_motion_scale(scale: float) -> None:
    """Check that a motion scale is between 0 and 10.

    Raises:
        ConfigError: it is not.
    """
    if not 0 <= scale <= MOST_MOTION:
        raise ConfigError(
            f"motion_scale: expected 0 to {MOST_MOTION:g}, got {scale:g}; "
            "0 keeps the source's pose, 1 leaves movements as they are"
        )


def scale_motion(
    source: Tensor,  # (1 or B, N, 2 or 6) in [-1, 1]
    target: Tensor,  # (B, N, 2 or 6)
    scale: float,
    *,
    undirected: bool = False,
) -> Tensor:  # (B, N, 2 or 6)
    """Multiply the movement from the source pose to each target pose.

    Positions are interpolated linearly, and beyond a scale of 1 extrapolated. The linear map M
    between the jacobians of source and target is split into a rotation and a stretch (Shoemake and
    Duff, Matrix Animation and Polar Decomposition, 1992). The angle is multiplied by the scale, and
    the stretch is raised to its power. So half the movement turns by half the angle, and its
    determinant is the square root of M's. A map that has no rotation, because it mirrors or
    flattens, is interpolated linearly.

    Convention: (x, y); -1 and 1 are the centres of the first and last pixel.

    Args:
        source: keypoints of the source; one set serves all targets.
        target: the poses to move to.
        scale: 0 gives the source, 1 the target.
        undirected: whether the jacobians are axes without a direction
            (`local_affine.canonical_sign`).

    Returns:
        One pose per target.

    Example:
        >>> source, target = torch.zeros(1, 1, 2), torch.tensor([[[0.5, -0.25]]])
        >>> scale_motion(source, target, 2.0).tolist()
        [[[1.0, -0.5]]]
    """
    if scale == 1:
        return target
    start, end = local_affine.positions(source), local_affine.positions(target)
    points = start + scale * (end - start)
    if not local_affine.have_jacobians(source):
        return points
    source = source.expand_as(target)
    between = local_affine.jacobian_between(source, target)
    sign = torch.ones_like(between[..., :1, :1])
    if undirected:
        sign = torch.where(between[..., :1, :1] < 0, -1.0, 1.0)
    matrices = local_affine.jacobians(source)
    # `sign` makes the map a turn of at most a right angle; the target's own sign does not matter.
    linear = matrices + scale * (sign * local_affine.jacobians(target) - matrices)
    power = matrix_power(sign * between, scale)
    has_power = power.flatten(-2).isfinite().all(-1)[..., None, None]
    scaled = torch.where(has_power, power @ matrices, linear)
    return local_affine.with_jacobians(points, scaled)


def matrix_power(
    matrices: Tensor,  # (..., 2, 2)
    exponent: float,
) -> Tensor:  # (..., 2, 2)
    """Raise the rotation and the stretch of each matrix to a power; NaN where there is no rotation.

    A matrix M with a positive determinant is R P: a rotation by an angle in (-pi, pi], and a
    symmetric, positive definite stretch. The result is R^t P^t for the exponent t.

    Args:
        matrices: the matrices.
        exponent: t, 0 or more.

    Example:
        >>> quarter_turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
        >>> torch.allclose(matrix_power(quarter_turn, 2.0), -torch.eye(2))  # half a turn
        True
    """
    (a, b), (c, d) = matrices[..., 0, :].unbind(-1), matrices[..., 1, :].unbind(-1)
    angle = torch.atan2(c - b, a + d)
    stretch = _rotation(-angle) @ matrices
    middle = (stretch[..., 0, 0] + stretch[..., 1, 1]) / 2
    half = (stretch[..., 0, 0] - stretch[..., 1, 1]) / 2
    reach = torch.hypot(half, (stretch[..., 0, 1] + stretch[..., 1, 0]) / 2)
    long, short = (middle + reach).pow(exponent), (middle - reach).pow(exponent)
    # P^t = f(P) is linear in P for two eigenvalues: their mean, and the slope between them.
    is_round = reach <= _NEARLY_ROUND * middle
    slope = (long - short) / (2 * torch.where(is_round, 1.0, reach))
    slope = torch.where(is_round, exponent * middle.pow(exponent - 1), slope)
    identity = torch.eye(2, dtype=matrices.dtype, device=matrices.device)
    deviation = stretch - middle[..., None, None] * identity
    powered = ((long + short) / 2)[..., None, None] * identity + slope[..., None, None] * deviation
    mirrors = ~((middle - reach > 0) & (middle > 0))
    powered = torch.where(mirrors[..., None, None], torch.nan, powered)
    return torch.matmul(_rotation(angle * exponent), powered)


def _rotation(
    angles: Tensor,  # (...)
) -> Tensor:  # (..., 2, 2)
    cosine, sine = angles.cos(), angles.sin()
    return torch.stack((cosine, -sine, sine, cosine), dim=-1).view(*angles.shape, 2, 2)
