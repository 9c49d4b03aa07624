"""Robust registration: the affine motion that most of two images share.

Each level of an image pyramid is aligned by Gauss-Newton on the differences of the colours (Lucas
and Kanade, IJCAI 1981), with Geman-McClure weights (Black and Anandan, CVIU 1996): what moves
differently keeps a large difference and loses its weight. The scale of the weights is a multiple of
the median difference, so noise and contrast need no tuning.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from cpabmm_core.geometry.autocast import autocast_off
from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.geometry.warping import warp

_ITERATIONS = 12
_FINEST_SIDE = 128
"""Images with a longer side are reduced first."""
_COARSEST_SIDE = 64
"""Coarser levels lose the texture of a scene behind an object."""
_SCALE = 2.0
"""Scale of the weights, in medians of the difference."""
_SMALLEST_SCALE = 0.003
"""Smallest scale: differences below one of 256 levels are rounding."""
_DAMPING = 1e-4
"""Added to the mean of the squared slopes, so that images without texture stay at rest."""
_SMALLEST_SHARE = 0.1
"""Smallest share of an image that must see the other one."""
_KERNEL = (0.0545, 0.2442, 0.4026, 0.2442, 0.0545)  # a Gaussian of 1 pixel


@torch.no_grad()
def register_affine(
    source: Tensor,  # (B, C, H, W) in [0, 1]
    target: Tensor,  # (B, C, H, W) in [0, 1]
) -> Tensor:  # (B, 3, 3)
    """Find the affine map of each target's positions to its source that aligns most of both.

    For a scene and an object that moves in front of it, this is the motion of the camera, if it is
    small: up to about a tenth of the image. Objects that cover more than half of the image's
    texture win over the scene. Without a motion that aligns more than rest does, the result is the
    identity. The result has no gradient.

    Convention:
        Homogeneous matrices on (x, y, 1), x and y in [-1, 1] with align_corners=True:
        ``target(p) ~ source(matrix @ p)``. They have the dtype float32.

    Args:
        source: the images to sample.
        target: the images to match.

    Returns:
        One matrix per pair.

    Example:
        >>> import torch
        >>> y, x = torch.meshgrid(torch.arange(32.0), torch.arange(36.0), indexing="ij")
        >>> scene = (x / 5).sin() * (y / 4).cos() / 2 + 0.5
        >>> source, target = scene[None, None, :, :32], scene[None, None, :, 2:34]  # two pixels
        >>> matrix = register_affine(source, target)
        >>> (matrix[0, 0, 2] * 31 / 2).round(decimals=1)
        tensor(2.)
    """
    height, width = source.shape[2:]
    with autocast_off(source.device):
        pyramid = _pyramid(torch.cat((source, target)).float())
        at_rest = torch.eye(3, device=source.device).repeat(len(source), 1, 1)
        matrix = at_rest
        for level in reversed(pyramid):
            for _ in range(_ITERATIONS):
                matrix = _improve(matrix, *level.chunk(2))
        finest = pyramid[0].chunk(2)
        better = _mismatch(matrix, *finest) < _mismatch(at_rest, *finest)
        matrix = torch.where(better[:, None, None], matrix, at_rest)
    # From edges at -1 and 1, which all levels share, to centres of pixels.
    scale = matrix.new_tensor([width / max(width - 1, 1), height / max(height - 1, 1), 1.0])
    return matrix * scale[:, None] / scale


def _pyramid(
    images: Tensor,  # (B, C, H, W)
) -> list[Tensor]:  # fine to coarse
    reduction = max(images.shape[2:]) / _FINEST_SIDE
    if reduction > 1:
        size = [max(1, round(side / reduction)) for side in images.shape[2:]]
        images = F.interpolate(images, size, mode="area")
    levels = [_blur(images)]
    while min(images.shape[2:]) >= 2 * _COARSEST_SIDE:
        images = F.avg_pool2d(images, 2)
        levels.append(_blur(images))
    return levels


def _blur(
    images: Tensor,  # (B, C, H, W)
) -> Tensor:
    channels, reach = images.shape[1], len(_KERNEL) // 2
    row = images.new_tensor(_KERNEL).view(1, 1, 1, -1).expand(channels, 1, 1, -1)
    padded = F.pad(images, (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, row, groups=channels), row.transpose(2, 3), groups=channels)


def _improve(
    matrix: Tensor,  # (B, 3, 3)
    source: Tensor,  # (B, C, h, w)
    target: Tensor,  # (B, C, h, w)
) -> Tensor:  # (B, 3, 3)
    """Return the matrices after one step of Gauss-Newton."""
    batch, channels, height, width = source.shape
    grid = _edge_grid(height, width, source.device)
    flow = grid @ matrix[:, None, :2].transpose(2, 3)  # (B, h, w, 2)
    values, *slopes = _sample(_with_slopes(source), flow).chunk(3, dim=1)
    difference = values - target
    weights = _weights(difference, flow)
    rows = torch.stack([slope[:, :, None] * grid.movedim(2, 0) for slope in slopes], dim=2)
    jacobian = rows.reshape(batch, channels, 6, -1).transpose(1, 2).reshape(batch, 6, -1)
    weighted = jacobian * weights.expand(-1, channels, -1, -1).reshape(batch, 1, -1)
    damping = _DAMPING * weights.sum((1, 2, 3)).clamp_min(_DAMPING)
    normal = weighted @ jacobian.transpose(1, 2)
    normal = normal + damping[:, None, None] * torch.eye(6, device=source.device)
    step = torch.linalg.solve(normal, weighted @ difference.reshape(batch, -1, 1))
    enough = (_inside(flow).mean((1, 2)) > _SMALLEST_SHARE)[:, None, None]
    return matrix - F.pad(step.view(batch, 2, 3) * enough, (0, 0, 0, 1))


def _mismatch(
    matrix: Tensor,  # (B, 3, 3)
    source: Tensor,  # (B, C, h, w)
    target: Tensor,  # (B, C, h, w)
) -> Tensor:  # (B,)
    """Return the robust mean of the differences, over what both images show."""
    flow = _edge_grid(*source.shape[2:], source.device) @ matrix[:, None, :2].transpose(2, 3)
    size = (_sample(source, flow) - target).square().mean(1)
    at_rest = (source - target).square().mean(1)
    inside = _inside(flow)
    robust = size / (size + _scale(at_rest).square()[:, None, None])
    return (robust * inside).sum((1, 2)) / inside.sum((1, 2))


def _weights(
    difference: Tensor,  # (B, C, h, w)
    flow: Tensor,  # (B, h, w, 2)
) -> Tensor:  # (B, 1, h, w)
    size = difference.square().mean(1)
    relative = size / _scale(size).square()[:, None, None]
    return (_inside(flow) / (1 + relative).square())[:, None]


def _scale(
    size: Tensor,  # (B, h, w), squared differences
) -> Tensor:  # (B,)
    median: Tensor = size.flatten(1).median(1).values
    return (_SCALE * median.sqrt()).clamp_min(_SMALLEST_SCALE)


def _inside(
    flow: Tensor,  # (B, h, w, 2)
) -> Tensor:  # (B, h, w), 1 where the position is not beyond the centres of the border's pixels
    height, width = flow.shape[1:3]
    border = flow.new_tensor([1 - 1 / width, 1 - 1 / height])
    return (flow.abs() <= border).all(-1).to(flow.dtype)


def _with_slopes(
    images: Tensor,  # (B, C, h, w)
) -> Tensor:  # (B, 3 C, h, w)
    """Stack images with their slopes along x and y."""
    height, width = images.shape[2:]
    x = F.pad(images, (1, 1, 0, 0), mode="replicate")
    y = F.pad(images, (0, 0, 1, 1), mode="replicate")
    along_x = (x[..., 2:] - x[..., :-2]) * (width / 4)  # two pixels are 4 / width
    along_y = (y[:, :, 2:] - y[:, :, :-2]) * (height / 4)
    return torch.cat((images, along_x, along_y), dim=1)


def _edge_grid(
    height: int, width: int, device: torch.device
) -> Tensor:  # (h, w, 3), rows (x, y, 1)
    """Return the centres of the pixels, with the image's edges at -1 and 1."""
    grid = identity_grid(height, width, device=device)
    grid = grid * grid.new_tensor([(width - 1) / width, (height - 1) / height])
    return F.pad(grid, (0, 1), value=1.0)


def _sample(images: Tensor, flow: Tensor) -> Tensor:
    return warp(images, flow, padding="border", align_corners=False)
