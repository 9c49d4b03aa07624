"""Single frames of puppets to train detectors on: in many poses and scenes, some without a limb."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.arrays import Floats
from cpabmm_core.puppets.appearance import Identity, draw_identity
from cpabmm_core.puppets.background import Backdrop, draw_camera
from cpabmm_core.puppets.canvas import Canvas
from cpabmm_core.puppets.render import draw_motion, paint_shadow, pose_figures
from cpabmm_core.puppets.stage import Stage

_LONGEST = 20.0
"""Seconds within which the frames of a motion are drawn; its loop may be shorter."""
_EMPTY_SHARE = 0.04
_MAIMED_SHARE = 0.3
_HEADLESS_SHARE = 0.04


@dataclass(frozen=True)
class PuppetSamples:
    """Frames of one character, each on its own.

    Convention: as in `PuppetVideo`. A joint is `drawn` if its limb is, hidden or not; in a frame
    that shows the scene alone none is.
    """

    frames: NDArray[np.uint8]  # (F, H, W, 3)
    joints: Floats  # (F, J, 2) pixels
    drawn: NDArray[np.bool_]  # (F, J)
    joint_names: tuple[str, ...]


def render_samples(seed: int, index: int, *, motions: int, frames: int, size: int) -> PuppetSamples:
    """Render a character in some motions, each in another scene and with `frames` frames.

    Of the frames, 4% show the scene alone and 30% a character that lacks one or two limbs, or
    rarely the head.

    Example:
        >>> render_samples(0, 0, motions=2, frames=3, size=64).joints.shape[0]
        6
    """
    rng = np.random.default_rng([seed, index])
    who = draw_identity(rng)
    parts = [_render_motion(rng, who, frames, size) for _ in range(motions)]
    return PuppetSamples(
        frames=np.concatenate([part.frames for part in parts]),
        joints=np.concatenate([part.joints for part in parts]),
        drawn=np.concatenate([part.drawn for part in parts]),
        joint_names=parts[0].joint_names,
    )


def _render_motion(
    rng: np.random.Generator, who: Identity, frames: int, size: int
) -> PuppetSamples:
    stage = Stage(who, draw_motion(rng, who), draw_camera(rng), rng)
    shot = stage.shoot(rng.uniform(0.0, _LONGEST, frames))
    backdrop = Backdrop(rng, size)
    joints = stage.joints(shot) * size - 0.5
    limbs = [joint.layer for joint in stage.skeleton.joints]
    pictures = np.empty((frames, size, size, 3), np.uint8)
    drawn = np.zeros(joints.shape[:2], bool)
    for number, figure in enumerate(pose_figures(stage, shot, size)):
        canvas = Canvas(backdrop.view(shot.camera[number]), figure.unit)
        if rng.random() >= _EMPTY_SHARE:
            left_out = _draw_left_out(rng, sorted(set(limbs) - {"torso"}))
            paint_shadow(canvas, figure, shot, number, size)
            for layer in figure.layers():
                if layer.name not in left_out:
                    canvas.paint(layer, 0)
            drawn[number] = [limb not in left_out for limb in limbs]
        pictures[number] = canvas.to_bytes()
    names = tuple(joint.name for joint in stage.skeleton.joints)
    return PuppetSamples(pictures, joints, drawn, names)


def _draw_left_out(rng: np.random.Generator, limbs: list[str]) -> set[str]:
    if rng.random() >= _MAIMED_SHARE:
        return set()
    chosen = set(rng.choice(limbs, int(rng.integers(1, 3)), replace=False).tolist())
    return chosen if rng.random() < _HEADLESS_SHARE / _MAIMED_SHARE else chosen - {"head"}
