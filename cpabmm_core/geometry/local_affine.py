"""Keypoints with a local affine frame, which tells how the surroundings are turned and stretched.

Convention: six numbers a keypoint, its position (x, y) in [-1, 1] and the rows of a 2 x 2 matrix A,
its frame. Both together take a reference that nobody ever sees to the image, z -> p + A z (Siarohin
et al., First Order Motion Model, NeurIPS 2019, section 3.1). Keypoints without frames have two
numbers.
"""

import torch
from torch import Tensor

from cpabmm_core.geometry.autocast import autocast_off

_POSITION = 2
_SHORTEST = 1e-3
"""Of the axes of a frame; a pixel of the published models' heatmaps is 0.035 wide."""
_NEARLY_ROUND = 1e-3
"""Difference of the axes' squares, as a part of their sum."""


def positions(
    keypoints: Tensor,  # (..., 2), or (..., 6) with frames
) -> Tensor:  # (..., 2)
    """Where the keypoints are, with frames or without."""
    return keypoints.narrow(-1, 0, _POSITION)


def jacobians(
    keypoints: Tensor,  # (..., 6)
) -> Tensor:  # (..., 2, 2)
    """The frames of keypoints that have them."""
    return keypoints.narrow(-1, _POSITION, 4).view(*keypoints.shape[:-1], 2, 2)


def with_jacobians(
    points: Tensor,  # (..., 2)
    matrices: Tensor,  # (..., 2, 2)
) -> Tensor:  # (..., 6)
    """Keypoints of these positions and frames.

    Example:
        >>> with_jacobians(torch.tensor([0.5, -0.5]), torch.eye(2)).tolist()
        [0.5, -0.5, 1.0, 0.0, 0.0, 1.0]
    """
    return torch.cat((points, matrices.flatten(-2)), dim=-1)


def have_jacobians(
    keypoints: Tensor,  # (..., 2 or 6)
) -> bool:
    """Whether the keypoints have frames."""
    return keypoints.shape[-1] > _POSITION


def jacobian_between(
    start: Tensor,  # (..., 6)
    end: Tensor,  # (..., 6)
) -> Tensor:  # (..., 2, 2)
    """The linear map from the neighbourhood of each keypoint of `start` to that of `end`.

    It goes through the reference: ``jacobians(end) @ inverse(jacobians(start))`` (FOMM, section 3.1).
    Differentiable in both; a frame that has no inverse gives what is not finite.
    """
    with autocast_off(start.device):
        return torch.matmul(jacobians(end), inverse(jacobians(start)))


def inverse(
    matrices: Tensor,  # (..., 2, 2)
) -> Tensor:  # (..., 2, 2)
    """Inverses in closed form, so that no device is waited for; not finite where there is none."""
    (a, b), (c, d) = matrices[..., 0, :].unbind(-1), matrices[..., 1, :].unbind(-1)
    adjugate = torch.stack((d, -b, -c, a), dim=-1).view(matrices.shape)
    return adjugate / (a * d - b * c)[..., None, None]


def canonical_sign(
    matrices: Tensor,  # (..., 2, 2)
) -> Tensor:  # (..., 2, 2)
    """Of each map and its negative the one whose first element is positive.

    For maps between frames whose axes have a length but no direction, as those of a covariance: so
    nothing is turned about by half a turn.
    """
    return matrices * torch.where(matrices[..., :1, :1] < 0, -1.0, 1.0)


def align_axes(
    keypoints: Tensor,  # (B, N, 6)
    others: Tensor,  # (B, N, 6)
) -> Tensor:  # (B, N, 6)
    """The keypoints, with frames turned about where that brings them nearer the others' frames."""
    towards = jacobian_between(others, keypoints)
    turned = torch.where(towards[..., :1, :1] < 0, -1.0, 1.0) * jacobians(keypoints)
    return with_jacobians(positions(keypoints), turned)


def stretch(
    keypoints: Tensor,  # (..., 2 or 6)
    scale: Tensor,  # broadcasts over (..., 2), along x and y
) -> Tensor:  # (..., 2 or 6)
    """The keypoints of an image that is stretched about its centre, and their frames likewise."""
    points = positions(keypoints) * scale
    if not have_jacobians(keypoints):
        return points
    return with_jacobians(points, scale[..., None] * jacobians(keypoints))


def principal_axes(
    covariance: Tensor,  # (..., 2, 2), symmetric, positive semidefinite
) -> Tensor:  # (..., 2, 2)
    """A = U S^(1/2), with the eigenvectors U of each covariance U S U^T, the longer axis first.

    The frame takes a round distribution of variance 1 to one of that covariance (Siarohin et al.,
    Motion Representations for Articulated Animation, CVPR 2021).

    An axis has no direction, so a rule chooses one: the frame mirrors (its determinant is
    negative), and the first axis points to negative x or, where xx (yy - xx) > 2 xy^2 (the
    distribution stands upright), to positive y. LAPACK's SVD of a 2 x 2 matrix, a reflection
    followed by a rotation, arrives at the same signs, and MRAA's avd networks have seen those. In
    closed form they do not depend on the build of LAPACK.

    No axis is shorter than a thousandth, so that the frame of a heatmap with one bright pixel has
    an inverse too. Differentiable; where the axes are of nearly one length, their direction gets no
    gradient, which would be boundless.
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
