"""Transfer of driving poses to the object of the source image."""

import math
from typing import Literal, get_args

from torch import Tensor

from cpabmm_core.errors import ConfigError, Remedy
from cpabmm_core.geometry import local_affine
from cpabmm_core.geometry.local_affine import positions
from cpabmm_core.models.avd import AvdNetwork

TransferMode = Literal["standard", "relative", "avd"]
"""How driving poses are applied to the source; `transfer_keypoints` describes the modes."""

_SMALLEST_AREA = 0.02**2
"""Below this area, a square of a hundredth of the frame's side, a hull is no measure of size."""


def check_mode(mode: TransferMode, avd: AvdNetwork | None) -> None:
    """Check that a model with or without an avd network can transfer poses in this mode.

    Raises:
        ConfigError: the mode is unknown, or it is ``avd`` and there is no avd network.
    """
    modes = get_args(TransferMode)
    if mode not in modes:
        raise ConfigError(f"mode {mode}: unknown; use {', '.join(modes[:-1])} or {modes[-1]}")
    if mode == "avd" and avd is None:
        raise ConfigError(
            "mode avd: the model has no avd network",
            'train one with `train_avd`, or use mode="relative"',
            remedy=Remedy.TRAIN_AVD,
        )


def transfer_keypoints(
    mode: TransferMode,
    source: Tensor,  # (1 or B, N, 2 or 6) in [-1, 1]
    driving: Tensor,  # (B, N, 2 or 6) in [-1, 1]
    reference: Tensor,  # (1, N, 2 or 6) in [-1, 1]
    avd: AvdNetwork | None = None,
    *,
    hull_scaling: bool = True,
) -> Tensor:  # (B, N, 2 or 6)
    """Compute the poses that the source's object takes.

    A pose depends on no other driving frame than the reference. `PoseTransfer` does the same for a
    sequence of frames, and can scale and smooth the movements.

    Convention: (x, y); -1 and 1 are the centres of the first and last pixel. Keypoints may carry
    jacobians (`geometry.local_affine`).

    Args:
        mode: ``standard`` uses the driving keypoints unchanged. ``relative`` adds to the source
            keypoints the movement since the reference frame, scaled according to `hull_scaling`,
            and multiplies the source's jacobians by the change of the driving ones. ``avd`` lets a
            network apply the driving pose to the shape of the source's object.
        source: keypoints of the source image, or of one source image per driving frame; the size
            of the object is then that in the first one.
        driving: keypoints of the driving frames.
        reference: keypoints of the driving frame whose pose corresponds to the source; used only in
            mode ``relative``.
        avd: the network for mode ``avd``, in eval mode.
        hull_scaling: in mode ``relative``, scale movements by the square root of the ratio of the
            convex hull areas of source and reference, as TPSMM and MRAA do (by 1 if either area is
            close to zero). False leaves them unscaled, as FOMM does.

    Returns:
        One pose per driving frame; in modes ``relative`` and ``avd`` it may leave [-1, 1].

    Raises:
        ConfigError: the mode is unknown, or it is ``avd`` and there is no avd network.

    Example:
        >>> import torch
        >>> corners = torch.tensor([[[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]])
        >>> poses = transfer_keypoints("relative", corners, 2 * corners + 0.2, 2 * corners)
        >>> torch.allclose(poses, corners + 0.1)  # half as large, so half the movement
        True
    """
    check_mode(mode, avd)
    if mode == "standard":
        return driving
    if mode == "avd" and avd is not None:
        pose: Tensor = avd(source.expand_as(driving), driving)
        return pose
    return move_by(source, driving, reference, relative_size(source, reference, hull_scaling))


def move_by(
    source: Tensor,  # (1 or B, N, 2 or 6) in [-1, 1]
    driving: Tensor,  # (B, N, 2 or 6) in [-1, 1]
    reference: Tensor,  # (1, N, 2 or 6) in [-1, 1]
    size: float,
) -> Tensor:  # (B, N, 2 or 6)
    """Move the source like the driving frames since the reference, `size` times as far."""
    movement = positions(driving) - positions(reference)
    moved = positions(source) + movement * size
    if not local_affine.have_jacobians(source):
        return moved
    turned = local_affine.jacobian_between(reference, driving) @ local_affine.jacobians(source)
    return local_affine.with_jacobians(moved, turned)


def relative_size(
    source: Tensor,  # (1 or B, N, 2 or 6)
    reference: Tensor,  # (1, N, 2 or 6)
    hull_scaling: bool = True,
) -> float:
    """Return the size of the first source's object relative to that of the reference frame.

    Args:
        source: keypoints of the source.
        reference: keypoints of the reference frame.
        hull_scaling: False always gives 1.

    Returns:
        The square root of the ratio of the convex hull areas; 1 if either is close to zero.
    """
    if not hull_scaling:
        return 1.0
    source_area, reference_area = (hull_area(positions(kp)[0]) for kp in (source, reference))
    if min(source_area, reference_area) > _SMALLEST_AREA:
        return math.sqrt(source_area / reference_area)
    return 1.0


def hull_area(
    points: Tensor,  # (N, 2)
) -> float:
    """Return the area of the convex hull; 0 for collinear points.

    Example:
        >>> import torch
        >>> hull_area(torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [0.5, 0.5]]))
        2.0
    """
    ordered = sorted((x, y) for x, y in points.tolist())
    hull = _half_hull(ordered)[:-1] + _half_hull(ordered[::-1])[:-1]
    shifted = hull[1:] + hull[:1]
    doubled = sum(x * v - u * y for (x, y), (u, v) in zip(hull, shifted, strict=True))
    return abs(doubled) / 2


def _half_hull(ordered: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return one side of the hull of sorted points, from the first to the last (monotone chain)."""
    chain: list[tuple[float, float]] = []
    for x, y in ordered:
        while len(chain) > 1:
            (ax, ay), (bx, by) = chain[-2:]
            if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                break
            chain.pop()
        chain.append((x, y))
    return chain
