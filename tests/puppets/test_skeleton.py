"""Forward kinematics, compared with positions computed by hand; rigid bones; joint limits."""

from typing import Literal

import numpy as np
import pytest

from cpabmm_core.puppets.appearance import BodyPlan, sample_identity
from cpabmm_core.puppets.bodies import biped, quadruped
from cpabmm_core.puppets.camera import sample_camera
from cpabmm_core.puppets.motion import MotionName
from cpabmm_core.puppets.repertoire import sample_motion
from cpabmm_core.puppets.skeleton import Bone, Skeleton, Turn, rotation, solve_pose
from cpabmm_core.puppets.stage import FRAME_RATE, Stage

ARM = Skeleton(
    (
        Bone("upper", None, (0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (Turn("z", "shoulder", -1.0),)),
        Bone("lower", "upper", (0.0, 0.0, 0.0), (0.0, 0.5, 0.0), (Turn("x", "elbow", -1.0),)),
    ),
    (),
    (),
)


def test_bones_hang_straight_down_at_rest() -> None:
    pose = solve_pose(ARM, {}, 2)
    assert pose.ends["lower"].tolist() == [[0.0, 1.5, 0.0]] * 2


def test_angles_turn_the_bones() -> None:
    angles = {"shoulder": np.full(1, np.pi / 2), "elbow": np.full(1, np.pi / 2)}
    pose = solve_pose(ARM, angles, 1)
    assert pose.ends["upper"][0] == pytest.approx([1.0, 0.0, 0.0])
    assert pose.ends["lower"][0] == pytest.approx([1.0, 0.0, -0.5])


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_rotations_are_proper(axis: Literal["x", "y", "z"]) -> None:
    turned = rotation(axis, np.linspace(-3, 3, 7))
    assert turned @ turned.transpose(0, 2, 1) == pytest.approx(np.tile(np.eye(3), (7, 1, 1)))
    assert np.linalg.det(turned) == pytest.approx(np.ones(7))


def test_quarter_turn_about_y_faces_left() -> None:
    forward = rotation("y", np.array([np.pi / 2]))[0] @ (0.0, 0.0, -1.0)
    assert forward == pytest.approx([-1.0, 0.0, 0.0])


@pytest.mark.parametrize("plan", ["biped", "quadruped"])
def test_bones_keep_their_length_and_feet_touch_the_ground(plan: BodyPlan) -> None:
    rng = np.random.default_rng(3)
    identity = sample_identity(rng, plan)
    sizes = identity.proportions
    skeleton = biped(sizes, tail=identity.tail) if plan == "biped" else quadruped(sizes)
    stage = Stage(identity, sample_motion(rng, identity, "free"), sample_camera(rng), rng)
    pose = stage.shoot(np.arange(40) / FRAME_RATE).pose
    for bone in skeleton.bones:
        lengths = np.linalg.norm(pose.ends[bone.name] - pose.starts[bone.name], axis=-1)
        assert lengths == pytest.approx(np.full(40, np.linalg.norm(bone.reach)))
    lowest = np.max([pose.ends[foot][:, 1] for foot in skeleton.ground], axis=0)
    assert np.all(lowest <= 1e-9)
    assert np.all(lowest > -0.03)


@pytest.mark.parametrize("motion", ["walk", "march", "dance", "jump", "free"])
def test_knees_and_elbows_bend_one_way(motion: MotionName) -> None:
    rng = np.random.default_rng(1)
    identity = sample_identity(rng, "biped")
    angles = sample_motion(rng, identity, motion).angles(np.linspace(0, 16 * np.pi, 400))
    for side in ("left", "right"):
        assert angles[f"{side}_knee"].min() >= 0
        assert angles[f"{side}_elbow"].min() >= np.deg2rad(-5)
        assert angles[f"{side}_elbow"].max() < np.deg2rad(140)


def test_legs_alternate_in_a_walk() -> None:
    rng = np.random.default_rng(1)
    angles = sample_motion(rng, sample_identity(rng, "biped"), "walk").angles(
        np.linspace(0, 6.2, 50)
    )
    left, right = angles["left_hip_swing"], angles["right_hip_swing"]
    assert np.corrcoef(left, right)[0, 1] < -0.95
    assert np.corrcoef(left, angles["left_shoulder_swing"])[0, 1] < -0.95
