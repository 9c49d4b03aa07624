"""The named bones are those of the true skeletons."""

import numpy as np
import pytest

from cpabmm_core.puppets import body_bones, render_puppet
from cpabmm_core.puppets.appearance import BodyPlan, sample_identity
from cpabmm_core.puppets.camera import sample_camera
from cpabmm_core.puppets.repertoire import sample_motion
from cpabmm_core.puppets.stage import Stage


@pytest.mark.parametrize("plan", ["biped", "quadruped"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_bones_of_limbs_are_rigid(plan: BodyPlan, seed: int) -> None:
    """In body units, before projection, two joints of one bone keep their distance."""
    rng = np.random.default_rng(seed)
    identity = sample_identity(rng, plan)
    stage = Stage(identity, sample_motion(rng, identity), sample_camera(rng), rng)
    pose = stage.shoot(np.arange(12) / 8).pose
    places = {
        joint.name: {"start": pose.starts, "end": pose.ends}[joint.at][joint.bone]
        for joint in stage.skeleton.joints
    }
    limbs = [bone for bone in body_bones(plan) if bone.part in ("arms", "legs")]
    assert len(limbs) == 12
    for bone in limbs:
        lengths = np.linalg.norm(places[bone.second] - places[bone.first], axis=-1)
        np.testing.assert_allclose(lengths, lengths[0], rtol=1e-9)
        ends = {joint.bone for joint in stage.skeleton.joints if joint.name == bone.second}
        assert ends == {bone.name}


@pytest.mark.parametrize("plan", ["biped", "quadruped"])
def test_bones_reach_all_joints(plan: BodyPlan) -> None:
    bones = body_bones(plan)
    assert len({bone.name for bone in bones}) == len(bones)
    used = {name for bone in bones for name in (bone.first, bone.second)}
    for index in range(6):
        video = render_puppet(0, index, split="train", frames=1, size=32, body_plan=plan)
        assert used - set(video.joint_names) <= {"tail_tip"}
        assert set(video.joint_names) <= used
