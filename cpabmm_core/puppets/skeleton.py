"""Trees of rigid bones and their forward kinematics.

In the image, x points right, y points down and z points away from the viewer. A character at rest
stands upright and faces the viewer: its forward direction is -z and its left side is at +x.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cpabmm_core.arrays import Floats

Angles = Mapping[str, Floats]
Vector = tuple[float, float, float]

_PLANE = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}


@dataclass(frozen=True)
class Turn:
    """A rotation of a bone relative to its parent, by `factor` times the angle named `angle`."""

    axis: Literal["x", "y", "z"]
    angle: str
    factor: float = 1.0


@dataclass(frozen=True)
class Bone:
    """A rigid segment from `anchor`, relative to the end of its parent, to ``anchor + reach``."""

    name: str
    parent: str | None
    anchor: Vector
    reach: Vector
    turns: tuple[Turn, ...] = ()


@dataclass(frozen=True)
class Joint:
    """A named point of the ground truth: the start or end of a bone. `layer` renders the bone."""

    name: str
    bone: str
    at: Literal["start", "end"]
    layer: str


@dataclass(frozen=True)
class Skeleton:
    """Bones (parents first), the joints to report, and the bones that touch the ground."""

    bones: tuple[Bone, ...]
    joints: tuple[Joint, ...]
    ground: tuple[str, ...]


@dataclass(frozen=True)
class Pose:
    """The position (F, 3), in body units, and rotation (F, 3, 3) of each bone in each frame."""

    starts: dict[str, Floats]
    ends: dict[str, Floats]
    rotations: dict[str, Floats]


def rotation(
    axis: Literal["x", "y", "z"],
    angle: Floats,  # (F,) radians
) -> Floats:
    """Return right-handed rotation matrices about one axis, (F, 3, 3)."""
    first, second = _PLANE[axis]
    matrix = np.zeros((len(angle), 3, 3))
    matrix[:, np.arange(3), np.arange(3)] = 1.0
    matrix[:, first, first] = matrix[:, second, second] = np.cos(angle)
    matrix[:, second, first] = np.sin(angle)
    matrix[:, first, second] = -np.sin(angle)
    return matrix


def solve_pose(skeleton: Skeleton, angles: Angles, frames: int) -> Pose:
    """Compute the pose of a skeleton from joint angles, each (F,) radians; missing ones are 0."""
    pose = Pose({}, {}, {})
    origin = np.zeros((frames, 3))
    upright = np.broadcast_to(np.eye(3), (frames, 3, 3))
    for bone in skeleton.bones:
        base = origin if bone.parent is None else pose.ends[bone.parent]
        turned = upright if bone.parent is None else pose.rotations[bone.parent]
        start = base + turned @ np.asarray(bone.anchor)
        for turn in bone.turns:
            if turn.angle in angles:
                turned = turned @ rotation(turn.axis, turn.factor * angles[turn.angle])
        pose.starts[bone.name] = start
        pose.ends[bone.name] = start + turned @ np.asarray(bone.reach)
        pose.rotations[bone.name] = turned
    return pose
