"""Single puppet frames for training detectors: many poses and scenes, some without a limb."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.arrays import Floats
from cpabmm_core.puppets.appearance import Identity, sample_identity
from cpabmm_core.puppets.background import Backdrop
from cpabmm_core.puppets.camera import sample_camera
from cpabmm_core.puppets.canvas import Canvas
from cpabmm_core.puppets.compositing import pose_puppets, render_shadow
from cpabmm_core.puppets.repertoire import sample_motion
from cpabmm_core.puppets.stage import Stage

_LONGEST = 20.0
"""Length in seconds of the part of a motion that frames come from; its loop may be shorter."""
_EMPTY_SHARE = 0.04
_INCOMPLETE_SHARE = 0.3
_HEADLESS_SHARE = 0.04


@dataclass(frozen=True)
class PuppetSamples:
    """Independent frames of one character, with the conventions of `PuppetVideo`.

    A joint is `present` if its limb was rendered, even if another part hides it. In a frame that
    shows only the scene, no joint is present.

    Example:
        >>> from cpabmm_core.puppets import render_samples
        >>> samples = render_samples(0, 1, motions=2, frames=2, size=32)
        >>> image, joints = samples.frames[3], samples.joints[3][samples.present[3]]
        >>> image.shape, joints.shape[1], len(joints) <= len(samples.joint_names)
        ((32, 32, 3), 2, True)
    """

    frames: NDArray[np.uint8]  # (F, H, W, 3)
    joints: Floats  # (F, J, 2) pixels
    present: NDArray[np.bool_]  # (F, J)
    joint_names: tuple[str, ...]


def render_samples(seed: int, index: int, *, motions: int, frames: int, size: int) -> PuppetSamples:
    """Render independent frames of one character in several motions.

    Each motion has its own scene. 4% of the frames show only the scene. In 30% of the others, the
    character lacks one or two limbs or, rarely, the head.

    Args:
        seed: seed of the samples, 0 or more.
        index: number of the character, 0 or more.
        motions: number of motions.
        frames: number of frames of each motion.
        size: side of the square frames, in pixels.

    Returns:
        The ``motions * frames`` frames with their joints.

    Example:
        >>> from cpabmm_core.puppets import render_samples
        >>> samples = render_samples(0, 0, motions=2, frames=3, size=32)
        >>> samples.frames.shape
        (6, 32, 32, 3)
        >>> samples.present.shape == samples.joints.shape[:2]
        True
    """
    rng = np.random.default_rng([seed, index])
    identity = sample_identity(rng)
    parts = [_render_motion(rng, identity, frames, size) for _ in range(motions)]
    return PuppetSamples(
        frames=np.concatenate([part.frames for part in parts]),
        joints=np.concatenate([part.joints for part in parts]),
        present=np.concatenate([part.present for part in parts]),
        joint_names=parts[0].joint_names,
    )


def _render_motion(
    rng: np.random.Generator, identity: Identity, frames: int, size: int
) -> PuppetSamples:
    stage = Stage(identity, sample_motion(rng, identity), sample_camera(rng), rng)
    shot = stage.shoot(rng.uniform(0.0, _LONGEST, frames))
    backdrop = Backdrop(rng, size)
    joints = stage.joints(shot) * size - 0.5
    limbs = [joint.layer for joint in stage.skeleton.joints]
    images = np.empty((frames, size, size, 3), np.uint8)
    present = np.zeros(joints.shape[:2], bool)
    for number, puppet in enumerate(pose_puppets(stage, shot, size)):
        canvas = Canvas(backdrop.view(shot.camera[number]), puppet.unit)
        if rng.random() >= _EMPTY_SHARE:
            left_out = _sample_missing_limbs(rng, sorted(set(limbs) - {"torso"}))
            render_shadow(canvas, puppet, shot, number, size)
            for layer in puppet.layers():
                if layer.name not in left_out:
                    canvas.add(layer, 0)
            present[number] = [limb not in left_out for limb in limbs]
        images[number] = canvas.to_bytes()
    names = tuple(joint.name for joint in stage.skeleton.joints)
    return PuppetSamples(images, joints, present, names)


def _sample_missing_limbs(rng: np.random.Generator, limbs: list[str]) -> set[str]:
    if rng.random() >= _INCOMPLETE_SHARE:
        return set()
    chosen = set(rng.choice(limbs, int(rng.integers(1, 3)), replace=False).tolist())
    return chosen if rng.random() < _HEADLESS_SHARE / _INCOMPLETE_SHARE else chosen - {"head"}
