"""How different the poses of two objects are, and the driving frame that is nearest to a source.

The measure is the distance of the keypoints after the removal of position and size (a Procrustes
distance without rotation: an object that lies has another pose than one that stands).
"""

import torch
from torch import Tensor

from cpabmm_core.errors import CpabmmError, Remedy, ShapeError
from cpabmm_core.geometry import local_affine

LARGE_POSE_GAP = 0.2
"""A larger gap is warned of: frames animated in mode ``relative`` look wrong from here on. The
bundled model finds gaps of 0.13 to 0.35 (bipeds) and 0.12 to 0.39 (quadrupeds that face the same
way) between puppets in random poses, 5th and 95th percentile."""
OPPOSITE_POSE_GAP = 0.5
"""A larger gap suggests that the objects face opposite ways. Between quadrupeds that do, the
bundled model finds 0.76 to 1.11, and 0.12 to 0.39 after one of them has been mirrored."""


def pose_gap(
    source: Tensor,  # (1, N, 2 or 6) in [-1, 1]
    reference: Tensor,  # (1, N, 2 or 6) in [-1, 1]
) -> float:
    """Measure how much two poses differ, regardless of position and size.

    In mode ``relative`` the object keeps this difference in every frame.

    Args:
        source: keypoints of the source.
        reference: keypoints of a driving frame.

    Returns:
        The root mean square distance of the keypoints, when each object has the root mean square
        radius 1 about its centre. It is 0 for equal shapes, at most 2, and above 0.2 if the poses
        differ much (`pose_gap_warning`).

    Raises:
        ShapeError: the keypoints differ in number or kind.

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
    if source.shape[1:] != driving.shape[1:] or len(source) != 1:
        raise ShapeError(
            f"keypoints: expected (1, N, C) and (F, N, C) of the same model, got "
            f"{tuple(source.shape)} and {tuple(driving.shape)}; detect both with one model"
        )
    difference = _shape(source.to(driving)) - _shape(driving)
    return difference.square().sum(-1).mean(-1).sqrt()


def best_reference(
    source: Tensor,  # (1, N, 2 or 6) in [-1, 1]
    driving: Tensor,  # (F, N, 2 or 6) in [-1, 1]
) -> int:
    """Return the driving frame whose pose is nearest to the source's; of equal ones the first.

    As the reference of mode ``relative`` it lets the object start from a pose like its own. The
    peers search such a frame with landmarks of faces; here the keypoints of the model serve, for
    any object.

    Args:
        source: keypoints of the source.
        driving: keypoints of all driving frames.

    Returns:
        The index of the frame, from 0.

    Raises:
        ShapeError: the keypoints differ in number or kind, or there are no frames.

    Example:
        >>> line = torch.tensor([[[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]])
        >>> bent = torch.tensor([[[-1.0, 0.5], [0.0, 0.0], [1.0, 0.5]]])
        >>> best_reference(line, torch.cat((bent, 0.5 * line, line)))
        1
    """
    if not len(driving):
        raise ShapeError("driving: no frames, so none is the nearest; choose another video")
    return int(torch.argmin(pose_gaps(source, driving)).item())


def pose_gap_warning(
    gap: float | None, *, searched: bool = False, mirrored: bool = False
) -> CpabmmError | None:
    """Return a warning if the poses of source and reference differ much, else None.

    It is an error that nobody raises: one line with what to do, and a `Remedy` for callers that
    phrase that themselves.

    Args:
        gap: the pose gap, or None if there is none (`PoseTransfer.pose_gap`).
        searched: whether the reference is already the nearest frame of the driving video.
        mirrored: whether the driving frames are already mirrored.

    Example:
        >>> pose_gap_warning(0.1) is None
        True
    """
    if gap is None or gap <= LARGE_POSE_GAP:
        return None
    if gap > OPPOSITE_POSE_GAP and not mirrored:
        return CpabmmError(
            "the poses of the source and the reference frame differ as if the objects faced "
            f"opposite ways (pose gap {gap:.2f})",
            "mirror the driving frames if they do, else use the nearest frame (`best_reference`)",
            remedy=Remedy.MIRROR,
        )
    if searched:
        return CpabmmError(
            f"no driving frame is near the pose of the source (pose gap {gap:.2f})",
            'use mode="avd" if the model has it, or another driving video or source',
            remedy=Remedy.CHOOSE_POSE,
        )
    return CpabmmError(
        f"the poses of the source and the reference frame differ much (pose gap {gap:.2f})",
        'use the nearest frame (`best_reference`), or mode="avd" if the model has it',
        remedy=Remedy.CHOOSE_REFERENCE,
    )


def _shape(
    keypoints: Tensor,  # (B, N, 2 or 6)
) -> Tensor:  # (B, N, 2)
    """Return positions relative to their centre, divided by their spread; 0 for a single point."""
    points = local_affine.positions(keypoints)
    centred = points - points.mean(dim=1, keepdim=True)
    spread = centred.square().sum(-1).mean(-1).sqrt()
    return centred / spread.clamp(min=torch.finfo(spread.dtype).eps)[:, None, None]
