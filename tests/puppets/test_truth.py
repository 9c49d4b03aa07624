"""The ground truth of pixels and cameras agrees with the pictures."""

from typing import Any

import numpy as np
import pytest

from cpabmm_core.puppets import BodyPlan, render_puppet
from cpabmm_core.puppets.stage import FRAME_RATE

REQUEST: dict[str, Any] = {"split": "test", "frames": 5, "size": 96}


@pytest.mark.parametrize("plan", ["biped", "quadruped"])
def test_the_pixels_of_a_layer_vanish_with_it(plan: BodyPlan) -> None:
    whole = render_puppet(3, 1, body_plan=plan, **REQUEST)
    for number, name in enumerate(whole.layer_names):
        without = render_puppet(3, 1, body_plan=plan, hidden=[name], **REQUEST)
        changed = (whole.frames.astype(int) != without.frames).any(-1)
        shown = whole.layers == number
        assert changed[shown].mean() > 0.7  # parts of one colour hide each other
        assert not (without.layers == number).any()


def test_visible_joints_lie_on_their_layers() -> None:
    video = render_puppet(3, 2, body_plan="biped", **REQUEST)
    x, y = np.rint(video.joints).astype(int).transpose(2, 0, 1)
    wrist, arm = video.joint_names.index("left_wrist"), video.layer_names.index("left_arm")
    frames = np.flatnonzero(video.visible[:, wrist])
    assert len(frames)
    assert (video.layers[frames, y[frames, wrist], x[frames, wrist]] == arm).all()


def test_the_scene_covers_what_no_layer_does() -> None:
    video = render_puppet(3, 0, **REQUEST)
    everything = render_puppet(3, 0, hidden=video.layer_names, **REQUEST)
    scene = video.layers == -1
    assert 0.3 < scene.mean() < 0.98
    assert (everything.layers == -1).all()
    inside = np.abs(video.frames.astype(int) - everything.frames).max(-1)[scene]
    assert (inside > 0).mean() < 0.2  # outlines fade into the scene over a pixel


def test_the_camera_is_a_similarity_that_moves_slowly() -> None:
    camera = render_puppet(3, 0, split="test", frames=2 * FRAME_RATE, size=32).camera
    linear = camera[:, :, :2]
    np.testing.assert_allclose(linear[:, 0, 0], linear[:, 1, 1])
    np.testing.assert_allclose(linear[:, 0, 1], -linear[:, 1, 0])
    assert 0 < np.abs(np.diff(camera, axis=0)).max() < 0.02
