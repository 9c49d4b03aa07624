"""One puppet video: identity, motion, camera and scene drawn from a seed, then rendered."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.arrays import Floats
from cpabmm_core.errors import DataError
from cpabmm_core.puppets.appearance import BodyPlan, Identity, draw_identity
from cpabmm_core.puppets.background import Backdrop, draw_camera
from cpabmm_core.puppets.canvas import Canvas
from cpabmm_core.puppets.figure import Figure
from cpabmm_core.puppets.free_motion import draw_free_course
from cpabmm_core.puppets.gaits import QUADRUPED_COURSES
from cpabmm_core.puppets.motion import (
    BIPED_COURSES,
    Motion,
    MotionName,
    draw_yaw,
    motion_names,
)
from cpabmm_core.puppets.shapes import Ellipse
from cpabmm_core.puppets.stage import FRAME_RATE, Shot, Stage

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("train", "test")
SMALLEST_SIZE = 32


@dataclass(frozen=True)
class PuppetVideo:
    """A rendered video with the truth about it.

    Convention: joints are (x, y) in pixels, pixel centres at integers, y down. A joint that is not
    `in_frame` lies outside the picture; one that is not `visible` is hidden behind another part.
    """

    frames: NDArray[np.uint8]  # (F, H, W, 3)
    joints: Floats  # (F, J, 2)
    in_frame: NDArray[np.bool_]  # (F, J)
    visible: NDArray[np.bool_]  # (F, J)
    joint_names: tuple[str, ...]
    body_plan: BodyPlan
    motion: MotionName
    identity: dict[str, Any]


def render_puppet(
    seed: int,
    index: int,
    *,
    split: Split,
    frames: int,
    size: int,
    body_plan: BodyPlan | None = None,
    motion: MotionName | None = None,
    looks: int | None = None,
    hidden: Collection[str] = (),
) -> PuppetVideo:
    """Render video `index` of a split at 25 frames a second.

    The same seed, split and index give the same character, motion and scene whatever the number of
    frames, the size, and how many other videos are rendered. `body_plan` and `motion` replace what
    the seed would have drawn.

    Two more arguments change how the character is painted and leave its joints where they are, to
    see what a metric makes of it: `looks` is the index of the video whose character lends its
    colours, clothes, face and hat, and `hidden` names the layers (``left_arm``,
    ``front_left_leg``, ...) that are not painted.

    Raises:
        DataError: If the number of frames or the size is too small, or the motion does not belong
            to the body plan.

    Example:
        >>> video = render_puppet(0, 0, split="train", frames=2, size=64)
        >>> video.frames.shape
        (2, 64, 64, 3)
    """
    check_request(seed, index, frames, size)
    streams = [_Stream(seed, split, index, part).generator() for part in range(4)]
    who = draw_identity(streams[0], body_plan)
    if motion is not None and motion not in motion_names(who.body_plan):
        choices = ", ".join(motion_names(who.body_plan))
        raise DataError(
            f"puppets: a {who.body_plan} has no motion {motion!r}; choose from {choices}"
        )
    course = draw_motion(streams[1], who, motion)
    stage = Stage(who, course, draw_camera(streams[2]), streams[1])
    shot = stage.shoot(np.arange(frames) / FRAME_RATE)
    joints = stage.joints(shot) * size - 0.5
    if looks is not None:
        stage.who = _with_looks(who, _Stream(seed, split, looks, 0).generator())
    pictures, visible = _paint_frames(stage, shot, joints, Backdrop(streams[3], size), size, hidden)
    return PuppetVideo(
        frames=pictures,
        joints=joints,
        in_frame=np.asarray(((joints > -0.5) & (joints < size - 0.5)).all(-1)),
        visible=visible,
        joint_names=tuple(joint.name for joint in stage.skeleton.joints),
        body_plan=who.body_plan,
        motion=course.name,
        identity=stage.who.to_json(),
    )


def check_request(seed: int, index: int, frames: int, size: int) -> None:
    """Raise DataError for numbers that no video can have."""
    if seed < 0 or index < 0 or frames < 1 or size < SMALLEST_SIZE:
        raise DataError(
            f"puppets: expected seed >= 0, index >= 0, frames >= 1 and size >= {SMALLEST_SIZE},"
            f" got {seed}, {index}, {frames} and {size}"
        )


@dataclass(frozen=True)
class _Stream:
    seed: int
    split: Split
    index: int
    part: int

    def generator(self) -> np.random.Generator:
        key = (SPLITS.index(self.split), self.index, self.part)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))


def draw_motion(rng: np.random.Generator, who: Identity, name: MotionName | None = None) -> Motion:
    """Draw a motion that suits the character, or the one asked for."""
    names = motion_names(who.body_plan)
    chances = np.array([1.6 if option == "free" else 1.0 for option in names])
    drawn = names[int(rng.choice(len(names), p=chances / chances.sum()))]
    name = name or drawn
    beat = float(rng.uniform(0.8, 1.15))
    courses = BIPED_COURSES if who.body_plan == "biped" else QUADRUPED_COURSES
    if name == "free":
        course = draw_free_course(rng, who.body_plan)
        least, most = (0.0, 32.0) if who.body_plan == "biped" else (45.0, 75.0)
    else:
        draw, least, most = courses[name]
        course = draw(rng)
    return Motion(name, beat, draw_yaw(rng, least, most), course)


def _with_looks(who: Identity, rng: np.random.Generator) -> Identity:
    """The same body, painted as another character of its body plan."""
    other = draw_identity(rng, who.body_plan)
    return replace(other, proportions=who.proportions, tail=who.tail)


def _paint_frames(
    stage: Stage,
    shot: Shot,
    joints: Floats,  # (F, J, 2) pixels
    backdrop: Backdrop,
    size: int,
    hidden: Collection[str],
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the pictures (F, H, W, 3) and which joints are on top in them (F, J)."""
    frames = len(joints)
    pictures = np.empty((frames, size, size, 3), np.uint8)
    visible = np.zeros(joints.shape[:2], bool)
    names = [joint.layer for joint in stage.skeleton.joints]
    for number, figure in enumerate(pose_figures(stage, shot, size)):
        canvas = Canvas(backdrop.view(shot.camera[number]), figure.unit)
        paint_shadow(canvas, figure, shot, number, size)
        order: dict[str, int] = {}
        for layer in figure.layers():
            number_of_layer = order.setdefault(layer.name, len(order))
            if layer.name not in hidden:
                canvas.paint(layer, number_of_layer)
        pictures[number] = canvas.to_bytes()
        x, y = np.rint(joints[number]).astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < size) & (y < size)
        on_top = canvas.top[y.clip(0, size - 1), x.clip(0, size - 1)]
        visible[number] = inside & (on_top == [order[name] for name in names])
    return pictures, visible


def pose_figures(stage: Stage, shot: Shot, size: int) -> list[Figure]:
    """The character of each frame, in pixels."""
    pose = shot.pose
    starts = {bone: shot.project(points) * size - 0.5 for bone, points in pose.starts.items()}
    ends = {bone: shot.project(points) * size - 0.5 for bone, points in pose.ends.items()}
    zoom = np.sqrt(np.linalg.det(shot.camera[:, :, :2]))
    return [
        Figure(
            who=stage.who,
            starts={bone: points[number] for bone, points in starts.items()},
            ends={bone: points[number] for bone, points in ends.items()},
            depths={
                bone: (float(pose.starts[bone][number, 2]), float(pose.ends[bone][number, 2]))
                for bone in starts
            },
            rotations={bone: pose.rotations[bone][number] for bone in starts},
            unit=float(shot.unit[number] * zoom[number] * size),
        )
        for number in range(len(zoom))
    ]


def paint_shadow(canvas: Canvas, figure: Figure, shot: Shot, number: int, size: int) -> None:
    """Darken the ground below the character, less so while it is in the air."""
    pose = shot.pose
    x = float(pose.starts["pelvis"][number, 0])
    bones = [name for name in pose.ends if name.endswith("_foot")]
    feet = np.stack([pose.ends[bone][number] for bone in bones])
    half = 0.12 + 0.5 * float(np.ptp(feet[:, 0]))
    height = float(-feet[:, 1].max())
    x = 0.5 * (x + 0.5 * float(feet[:, 0].min() + feet[:, 0].max()))
    ground = np.tile(np.array([x, 0.035, 0.0]), (len(shot.camera), 1))
    centre = shot.project(ground)[number] * size - 0.5
    shape = Ellipse(centre, half * figure.unit, 0.05 * figure.unit)
    canvas.shade(shape, 0.26 / (1.0 + 6.0 * max(height, 0.0)), 0.05 * figure.unit)
