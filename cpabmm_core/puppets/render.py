"""Rendering of a puppet video whose identity, motion, camera and scene depend on a seed."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.arrays import Floats
from cpabmm_core.errors import DataError
from cpabmm_core.puppets.appearance import BodyPlan, Identity, sample_identity
from cpabmm_core.puppets.background import Backdrop
from cpabmm_core.puppets.camera import sample_camera
from cpabmm_core.puppets.compositing import render_frames
from cpabmm_core.puppets.motion import MotionName
from cpabmm_core.puppets.repertoire import motion_names, sample_motion
from cpabmm_core.puppets.stage import FRAME_RATE, Stage

Split = Literal["train", "test"]
"""The training set or the test set; the two have different characters."""
SPLITS: tuple[Split, ...] = ("train", "test")
SMALLEST_SIZE = 32


@dataclass(frozen=True)
class PuppetVideo:
    """A rendered video with its ground truth.

    Joints are (x, y) in pixels, with pixel centres at integers and y pointing down. A joint that is
    not `in_frame` lies outside the image. A joint that is not `visible` lies outside the image or
    is hidden behind another part of the body.

    Example:
        >>> from cpabmm_core.puppets import render_puppet
        >>> video = render_puppet(0, 0, split="test", frames=2, size=64, motion="free")
        >>> video.motion, video.frames.shape
        ('free', (2, 64, 64, 3))
        >>> head = video.joint_names.index("head")
        >>> x, y = video.joints[0, head]
        >>> bool(video.in_frame[0, head]), bool(0 <= x < 64 and 0 <= y < 64)
        (True, True)
    """

    frames: NDArray[np.uint8]  # (F, H, W, 3)
    joints: Floats  # (F, J, 2)
    in_frame: NDArray[np.bool_]  # (F, J)
    visible: NDArray[np.bool_]  # (F, J)
    joint_names: tuple[str, ...]
    body_plan: BodyPlan
    motion: MotionName
    identity: dict[str, Any]
    layers: NDArray[np.int8]  # (F, H, W)
    """The part of the body at each pixel, an index into `layer_names`; -1 is the scene."""
    layer_names: tuple[str, ...]
    camera: Floats  # (F, 2, 3)
    """Affine maps from scene coordinates to the frame, both in [0, 1] across the frame."""


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
    """Render one video of a split, at 25 frames per second.

    The seed, the split and the index determine the character, its motion and the scene. They do not
    depend on the number of frames or on the size.

    Args:
        seed: seed of the data set, 0 or more.
        index: number of the video in its split, 0 or more.
        split: ``train`` or ``test``; the two have different characters.
        frames: number of frames, 1 or more.
        size: side of the square frames in pixels, 32 or more.
        body_plan: body plan of the character; None samples one.
        motion: motion of the character; None samples one.
        looks: index of another video, whose character provides the colours, clothes, face and hat.
            The joints stay the same, for tests of how a metric reacts to appearance.
        hidden: names of layers to leave out, such as ``left_arm`` or ``front_left_leg``. The joints
            stay the same.

    Returns:
        The frames and their ground truth.

    Raises:
        DataError: a number is out of range, or the body plan does not have the motion.

    Example:
        >>> from cpabmm_core.puppets import render_puppet
        >>> video = render_puppet(0, 0, split="train", frames=2, size=32, body_plan="biped")
        >>> video.frames.shape, video.joints.shape
        ((2, 32, 32, 3), (2, 20, 2))
        >>> video.joint_names[:3]
        ('pelvis', 'chest', 'head')
    """
    check_request(seed, index, frames, size)
    streams = [_Stream(seed, split, index, part).generator() for part in range(4)]
    identity = sample_identity(streams[0], body_plan)
    if motion is not None and motion not in motion_names(identity.body_plan):
        choices = ", ".join(motion_names(identity.body_plan))
        raise DataError(
            f"puppets: a {identity.body_plan} has no motion {motion!r}; choose from {choices}"
        )
    puppet_motion = sample_motion(streams[1], identity, motion)
    stage = Stage(identity, puppet_motion, sample_camera(streams[2]), streams[1])
    shot = stage.shoot(np.arange(frames) / FRAME_RATE)
    joints = stage.joints(shot) * size - 0.5
    if looks is not None:
        stage.identity = _with_looks(identity, _Stream(seed, split, looks, 0).generator())
    backdrop = Backdrop(streams[3], size)
    rendered = render_frames(stage, shot, joints, backdrop, size, hidden)
    return PuppetVideo(
        frames=rendered.images,
        joints=joints,
        in_frame=np.asarray(((joints > -0.5) & (joints < size - 0.5)).all(-1)),
        visible=rendered.visible,
        joint_names=tuple(joint.name for joint in stage.skeleton.joints),
        body_plan=identity.body_plan,
        motion=puppet_motion.name,
        identity=stage.identity.to_json(),
        layers=rendered.layers,
        layer_names=rendered.layer_names,
        camera=shot.camera,
    )


def check_request(seed: int, index: int, frames: int, size: int) -> None:
    """Check the numbers of a request.

    Raises:
        DataError: a number is out of range.
    """
    if seed < 0 or index < 0 or frames < 1 or size < SMALLEST_SIZE:
        raise DataError(
            f"puppets: expected seed >= 0, index >= 0, frames >= 1 and size >= {SMALLEST_SIZE},"
            f" got seed {seed}, index {index}, frames {frames} and size {size}"
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


def _with_looks(identity: Identity, rng: np.random.Generator) -> Identity:
    """Return an identity with the same body and the appearance of another character."""
    other = sample_identity(rng, identity.body_plan)
    return replace(other, proportions=identity.proportions, tail=identity.tail)
