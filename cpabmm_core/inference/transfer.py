"""How the pose of the driving frames becomes a pose of the source's object."""

import math
from typing import Literal, get_args

from torch import Tensor

from cpabmm_core.errors import ConfigError
from cpabmm_core.geometry import local_affine
from cpabmm_core.geometry.local_affine import positions
from cpabmm_core.models.avd import AvdNetwork

TransferMode = Literal["standard", "relative", "avd"]

# A hull smaller than a square of a hundredth of the frame's side says nothing about the object.
_SMALLEST_AREA = 0.02**2


def check_mode(mode: TransferMode, avd: AvdNetwork | None) -> None:
    """Check that poses can be transferred in this mode with a model's avd network or without one.

    Raises:
        ConfigError: an unknown mode, or mode ``avd`` without a network.
    """
    modes = get_args(TransferMode)
    if mode not in modes:
        raise ConfigError(f"mode {mode}: unknown; take {', '.join(modes[:-1])} or {modes[-1]}")
    if mode == "avd" and avd is None:
        raise ConfigError(
            "mode avd: the model has no avd network; train one with `cpabmm train --stage avd`, or "
            "take mode relative"
        )


def transfer_keypoints(
    mode: TransferMode,
    source: Tensor,  # (1, N, 2 or 6) in [-1, 1]
    driving: Tensor,  # (B, N, 2 or 6) in [-1, 1]
    reference: Tensor,  # (1, N, 2 or 6) in [-1, 1]
    avd: AvdNetwork | None = None,
    *,
    hull_scaling: bool = True,
) -> Tensor:  # (B, N, 2 or 6)
    """Poses for the source's object; may leave [-1, 1] in modes ``relative`` and ``avd``.

    Convention: (x, y), -1 and 1 are the centres of the first and last pixel; with frames or without
    (`geometry.local_affine`).

    Args:
        mode: ``standard`` takes the driving keypoints as they are; ``relative`` adds to those of
            the source the movement since the reference frame, scaled as `hull_scaling` says, and
            turns the frames of the source as those of the driving frames have turned;
            ``avd`` lets a network put the driving pose on the shape of the source's object.
        source: keypoints of the source image.
        driving: keypoints of the driving frames.
        reference: keypoints of the driving frame whose pose is that of the source; for mode
            ``relative`` alone.
        avd: the network of mode ``avd``, in eval mode.
        hull_scaling: in mode ``relative``, scale movements by the square root of the ratio of the
            areas of the convex hulls of source and reference (by 1 where one has next to no area),
            as TPSMM and MRAA do; false takes them as they are, as FOMM does.

    Raises:
        ConfigError: an unknown mode, or mode ``avd`` without a network.
    """
    check_mode(mode, avd)
    if mode == "standard":
        return driving
    if mode == "avd" and avd is not None:
        pose: Tensor = avd(source.expand_as(driving), driving)
        return pose
    movement = positions(driving) - positions(reference)
    scale = _scale(source, reference) if hull_scaling else 1.0
    moved = positions(source) + movement * scale
    if not local_affine.have_jacobians(source):
        return moved
    turned = local_affine.jacobian_between(reference, driving) @ local_affine.jacobians(source)
    return local_affine.with_jacobians(moved, turned)


def _scale(
    source: Tensor,  # (1, N, 2 or 6)
    reference: Tensor,  # (1, N, 2 or 6)
) -> float:
    """How much larger the object of the source is than that of the reference frame."""
    source_area, reference_area = (hull_area(positions(kp)[0]) for kp in (source, reference))
    if min(source_area, reference_area) > _SMALLEST_AREA:
        return math.sqrt(source_area / reference_area)
    return 1.0


def hull_area(
    points: Tensor,  # (N, 2)
) -> float:
    """Area of the convex hull; 0 for points on one line."""
    ordered = sorted((x, y) for x, y in points.tolist())
    hull = _half_hull(ordered)[:-1] + _half_hull(ordered[::-1])[:-1]
    turned = hull[1:] + hull[:1]
    doubled = sum(x * v - u * y for (x, y), (u, v) in zip(hull, turned, strict=True))
    return abs(doubled) / 2


def _half_hull(ordered: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """One side of the hull of points in order, from the first to the last (monotone chain)."""
    chain: list[tuple[float, float]] = []
    for x, y in ordered:
        while len(chain) > 1:
            (ax, ay), (bx, by) = chain[-2:]
            if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                break
            chain.pop()
        chain.append((x, y))
    return chain
