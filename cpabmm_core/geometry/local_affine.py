"""Keypoints with a jacobian: a 2 x 2 matrix for the rotation and stretch of their surroundings.

Convention: a keypoint is six numbers, its position p = (x, y) in [-1, 1] and the rows of its
jacobian A. The two map an abstract reference to the image, z -> p + A z (Siarohin et al., First
Order Motion Model, NeurIPS 2019, section 3.1). A keypoint without a jacobian is two numbers.
"""

import torch
from torch import Tensor

from cpabmm_core.geometry.autocast import autocast_off

_POSITION = 2
_SHORTEST = 1e-3
"""Lower bound of an axis length; a pixel of the published models' heatmaps is 0.035 wide."""
_NEARLY_ROUND = 1e-3
"""Relative difference of the squared axis lengths below which a distribution counts as round."""


def positions(
    keypoints: Tensor,  # (..., 2 or 6)
) -> Tensor:  # (..., 2)
    """Return the positions of keypoints, with jacobians or without.

    Args:
        keypoints: two or six numbers each.

    Returns:
        (x, y) in [-1, 1], a view of the keypoints.

    Example:
        >>> positions(torch.tensor([0.5, -0.5, 1.0, 0.0, 0.0, 1.0])).tolist()
        [0.5, -0.5]
    """
    return keypoints.narrow(-1, 0, _POSITION)


def jacobians(
    keypoints: Tensor,  # (..., 6)
) -> Tensor:  # (..., 2, 2)
    """Return the jacobians of keypoints.

    Args:
        keypoints: six numbers each.

    Returns:
        One 2 x 2 matrix per keypoint, a view of the keypoints.

    Example:
        >>> jacobians(torch.tensor([0.5, -0.5, 1.0, 2.0, 3.0, 4.0])).tolist()
        [[1.0, 2.0], [3.0, 4.0]]
    """
    return keypoints.narrow(-1, _POSITION, 4).view(*keypoints.shape[:-1], 2, 2)


def with_jacobians(
    points: Tensor,  # (..., 2)
    matrices: Tensor,  # (..., 2, 2)
) -> Tensor:  # (..., 6)
    """Join positions and jacobians to keypoints.

    Args:
        points: (x, y) in [-1, 1].
        matrices: one jacobian per position.

    Returns:
        Six numbers per keypoint.

    Example:
        >>> with_jacobians(torch.tensor([0.5, -0.5]), torch.eye(2)).tolist()
        [0.5, -0.5, 1.0, 0.0, 0.0, 1.0]
    """
    return torch.cat((points, matrices.flatten(-2)), dim=-1)


def have_jacobians(
    keypoints: Tensor,  # (..., 2 or 6)
) -> bool:
    """Return whether keypoints have jacobians.

    Args:
        keypoints: two or six numbers each.

    Returns:
        True for six numbers, False for two.

    Example:
        >>> have_jacobians(torch.zeros(10, 2)), have_jacobians(torch.zeros(10, 6))
        (False, True)
    """
    return keypoints.shape[-1] > _POSITION


def jacobian_between(
    start: Tensor,  # (..., 6)
    end: Tensor,  # (..., 6)
) -> Tensor:  # (..., 2, 2)
    """Return the linear map from the surroundings of each keypoint of `start` to those of `end`.

    The map passes through the reference: ``jacobians(end) @ inverse(jacobians(start))`` (FOMM,
    section 3.1). It is differentiable in both arguments, and not finite where the jacobian of
    `start` is singular.
    """
    with autocast_off(start.device):
        return torch.matmul(jacobians(end), inverse(jacobians(start)))


def inverse(
    matrices: Tensor,  # (..., 2, 2)
) -> Tensor:  # (..., 2, 2)
    """Invert matrices in closed form; the result is not finite for singular ones.

    Unlike `torch.linalg.inv` this does not synchronise with the device.
    """
    (a, b), (c, d) = matrices[..., 0, :].unbind(-1), matrices[..., 1, :].unbind(-1)
    adjugate = torch.stack((d, -b, -c, a), dim=-1).view(matrices.shape)
    return adjugate / (a * d - b * c)[..., None, None]


def canonical_sign(
    matrices: Tensor,  # (..., 2, 2)
) -> Tensor:  # (..., 2, 2)
    """Return each matrix or its negative, whichever has a positive first element.

    The axes of a covariance have a length but no direction, so a map between two sets of axes is
    known up to its sign. This choice keeps a rotation within a right angle.
    """
    return matrices * torch.where(matrices[..., :1, :1] < 0, -1.0, 1.0)


def align_axes(
    keypoints: Tensor,  # (B, N, 6)
    others: Tensor,  # (B, N, 6)
) -> Tensor:  # (B, N, 6)
    """Negate jacobians where that brings them closer to the jacobians of the other keypoints."""
    towards = jacobian_between(others, keypoints)
    turned = torch.where(towards[..., :1, :1] < 0, -1.0, 1.0) * jacobians(keypoints)
    return with_jacobians(positions(keypoints), turned)


def stretch(
    keypoints: Tensor,  # (..., 2 or 6)
    scale: Tensor,  # broadcasts over (..., 2), along x and y
) -> Tensor:  # (..., 2 or 6)
    """Return the keypoints and jacobians after the image is stretched about its centre."""
    points = positions(keypoints) * scale
    if not have_jacobians(keypoints):
        return points
    return with_jacobians(points, scale[..., None] * jacobians(keypoints))


def principal_axes(
    covariance: Tensor,  # (..., 2, 2), symmetric, positive semidefinite
) -> Tensor:  # (..., 2, 2)
    """Return A = U S^(1/2) for each covariance U S U^T, the longer axis first.

    A maps a round distribution of variance 1 to a distribution of that covariance (Siarohin et al.,
    Motion Representations for Articulated Animation, CVPR 2021).

    The direction of an axis is arbitrary, so a rule fixes it: A is a reflection (its determinant is
    negative), and the first axis points to negative x or, where xx (yy - xx) > 2 xy^2 (an upright
    distribution), to positive y. LAPACK's SVD of a 2 x 2 matrix, a reflection followed by a
    rotation, ends with the same signs, and MRAA's avd networks were trained on them. The closed
    form does not depend on the build of LAPACK.

    No axis is shorter than 1e-3, so that the matrix of a heatmap with a single bright pixel is
    invertible. The result is differentiable. If the axes have almost equal lengths, their
    direction receives no gradient, which would be unbounded.
    """
    xx, xy, yy = covariance[..., 0, 0], covariance[..., 0, 1], covariance[..., 1, 1]
    mean, half, tiny = (xx + yy) / 2, (xx - yy) / 2, torch.finfo(covariance.dtype).tiny
    squared = half.square() + xy.square()
    is_round = squared <= tiny
    reach = squared.where(~is_round, tiny).sqrt()
    angle = torch.atan2(xy, torch.where(is_round, 1.0, half)) / 2
    angle = torch.where(reach < _NEARLY_ROUND * mean, angle.detach(), angle)
    lengths = torch.stack((mean + reach, mean - reach), dim=-1)
    lengths = lengths.clamp(min=_SHORTEST**2).sqrt()
    is_upright = xx * (yy - xx) > 2 * xy.square()
    sign = torch.where(is_upright & (angle > 0), 1.0, -1.0)
    cosine, sine = sign * angle.cos(), sign * angle.sin()
    axes = torch.stack((cosine, sine, sine, -cosine), dim=-1).view(covariance.shape)
    return axes * lengths[..., None, :]
