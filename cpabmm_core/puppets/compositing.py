"""Rendering of posed characters: scene, shadow and layers, composited back to front."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.arrays import Floats
from cpabmm_core.puppets.background import Backdrop
from cpabmm_core.puppets.canvas import Canvas
from cpabmm_core.puppets.layers import PosedPuppet
from cpabmm_core.puppets.shapes import Ellipse
from cpabmm_core.puppets.stage import Shot, Stage


@dataclass(frozen=True)
class RenderedFrames:
    """Frames, and what they show at each joint and at each pixel."""

    images: NDArray[np.uint8]  # (F, H, W, 3)
    visible: NDArray[np.bool_]  # (F, J)
    layers: NDArray[np.int8]  # (F, H, W), index into `layer_names`; -1 is the scene
    layer_names: tuple[str, ...]


def render_frames(
    stage: Stage,
    shot: Shot,
    joints: Floats,  # (F, J, 2) pixels
    backdrop: Backdrop,
    size: int,
    hidden: Collection[str],
) -> RenderedFrames:
    """Render the frames of a shot."""
    frames = len(joints)
    images = np.empty((frames, size, size, 3), np.uint8)
    visible = np.zeros(joints.shape[:2], bool)
    layers = np.full(images.shape[:3], -1, np.int8)
    names = [joint.layer for joint in stage.skeleton.joints]
    puppets = pose_puppets(stage, shot, size)
    drawn = [puppet.layers() for puppet in puppets]  # their order differs from frame to frame
    labelled = sorted({layer.name for each in drawn for layer in each})
    labels = {name: label for label, name in enumerate(labelled)}
    for number, (puppet, each) in enumerate(zip(puppets, drawn, strict=True)):
        canvas = Canvas(backdrop.view(shot.camera[number]), puppet.unit)
        render_shadow(canvas, puppet, shot, number, size)
        order: dict[str, int] = {}
        for layer in each:
            number_of_layer = order.setdefault(layer.name, len(order))
            if layer.name not in hidden:
                canvas.add(layer, number_of_layer)
        images[number] = canvas.to_bytes()
        label_of = np.array([labels[name] for name in order] + [-1], np.int8)
        layers[number] = label_of[canvas.top]  # the scene's -1 picks the last
        x, y = np.rint(joints[number]).astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < size) & (y < size)
        on_top = canvas.top[y.clip(0, size - 1), x.clip(0, size - 1)]
        visible[number] = inside & (on_top == [order[name] for name in names])
    return RenderedFrames(images, visible, layers, tuple(labels))


def pose_puppets(stage: Stage, shot: Shot, size: int) -> list[PosedPuppet]:
    """Project the character of each frame to pixels."""
    pose = shot.pose
    starts = {bone: shot.project(points) * size - 0.5 for bone, points in pose.starts.items()}
    ends = {bone: shot.project(points) * size - 0.5 for bone, points in pose.ends.items()}
    zoom = np.sqrt(np.linalg.det(shot.camera[:, :, :2]))
    return [
        PosedPuppet(
            identity=stage.identity,
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


def render_shadow(canvas: Canvas, puppet: PosedPuppet, shot: Shot, number: int, size: int) -> None:
    """Darken the ground below the character, less the higher it is in the air."""
    pose = shot.pose
    x = float(pose.starts["pelvis"][number, 0])
    bones = [name for name in pose.ends if name.endswith("_foot")]
    feet = np.stack([pose.ends[bone][number] for bone in bones])
    half = 0.12 + 0.5 * float(np.ptp(feet[:, 0]))
    height = float(-feet[:, 1].max())
    x = 0.5 * (x + 0.5 * float(feet[:, 0].min() + feet[:, 0].max()))
    ground = np.tile(np.array([x, 0.035, 0.0]), (len(shot.camera), 1))
    centre = shot.project(ground)[number] * size - 0.5
    shape = Ellipse(centre, half * puppet.unit, 0.05 * puppet.unit)
    canvas.shade(shape, 0.26 / (1.0 + 6.0 * max(height, 0.0)), 0.05 * puppet.unit)
