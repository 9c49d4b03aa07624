"""How different the poses of two objects are, and the driving frame that is nearest to a source."""

import torch
from torch import Tensor

from cpabmm_core.errors import ShapeError
from cpabmm_core.geometry import local_affine


def pose_gap(
    source: Tensor,  # (1, N, 2 or 6) in [-1, 1]
    reference: Tensor,  # (1, N, 2 or 6) in [-1, 1]
) -> float:
    """Measure how much two poses differ, regardless of position and size.

    Args:
        source: keypoints of the source.
        reference: keypoints of a driving frame.

    Returns:
        0 for equal shapes.

    Example:
        >>> square = torch.tensor([[[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]])
        >>> round(pose_gap(square, 0.3 * square + 0.2), 6)
        0.0
    """
    return pose_gaps(source, reference)[0].item()


def pose_gaps(
    source: Tensor,  # (1, N, 2 or 6) in [-1, 1]
    driving: Tensor,  # (F, N, 2 or 6) in [-1, 1]
) -> Tensor:  # (F,)
    """Measure how much the pose of each driving frame differs from that of the source."""
    if source.shape[1:] != driving.shape[1:]:
        raise ShapeError(
            f"expected keypoints of the same model, got {tuple(source.shape)} and "
            f"{tuple(driving.shape)}"
        )
    difference = _shape(source) - _shape(driving)
    return difference.square().sum(-1).mean(-1).sqrt()


def best_reference(
    source: Tensor,  # (1, N, 2 or 6) in [-1, 1]
    driving: Tensor,  # (F, N, 2 or 6) in [-1, 1]
) -> int:
    """Return the driving frame whose pose is nearest to the source's; of equal ones the first."""
    return int(torch.argmin(pose_gaps(source, driving)).item())


def _shape(
    keypoints: Tensor,  # (B, N, 2 or 6)
) -> Tensor:  # (B, N, 2)
    """Return the positions with the centre removed, divided by their spread."""
    points = local_affine.positions(keypoints)
    centred = points - points.mean(dim=1, keepdim=True)
    spread = centred.square().sum(-1).mean(-1).sqrt()
    return centred / spread.clamp(min=torch.finfo(spread.dtype).eps)[:, None, None]
