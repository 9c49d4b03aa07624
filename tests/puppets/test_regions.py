"""The motion of the scene and the regions of frames, compared with rendered scenes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cpabmm_core.errors import DataError
from cpabmm_core.geometry import apply_affine, identity_grid, warp
from cpabmm_core.puppets import REGIONS, PuppetVideo, frame_regions, render_puppet, scene_motion

SIZE = 65


def render(hidden: tuple[str, ...] = (), frames: int = 30) -> PuppetVideo:
    return render_puppet(3, 0, split="test", frames=frames, size=SIZE, hidden=hidden)


def test_the_motion_of_the_scene_explains_its_frames() -> None:
    """A scene without a body moves like its camera; positions beyond its border do not count."""
    video = render()
    scene = render(hidden=video.layer_names)
    shadow = np.s_[: SIZE // 2]  # it falls on the lower half
    images = torch.from_numpy(scene.frames[[0, -1]]).movedim(-1, 1) / 255
    motion = torch.from_numpy(scene_motion(scene)[-1:]).float()
    flow = apply_affine(motion, identity_grid(SIZE, SIZE)[None])
    inside = (flow.abs() <= 1).all(-1)[0][shadow]
    error, still = (
        (made - images[1:]).abs().mean(1)[0][shadow][inside].mean()
        for made in (warp(images[:1], flow), images[:1])
    )
    assert error < 0.4 * still


def test_the_motion_from_any_source_follows_from_that_from_the_first() -> None:
    video = render()
    first, other = scene_motion(video), scene_motion(video, source=11)
    np.testing.assert_allclose(other[11], np.eye(3), atol=1e-12)
    np.testing.assert_allclose(first[11] @ other, first, atol=1e-12)


def test_a_camera_that_pans_by_pixels_moves_the_labels_by_pixels() -> None:
    """Two frames: the source shows the body on the left, and the frame a scene 5 px further."""
    layers = np.full((2, 40, 40), -1, np.int8)
    layers[0, 10:20, 4:12], layers[1, 10:20, 30:36] = 0, 0
    camera = np.tile(np.array([[1.0, 0, 0], [0, 1, 0]]), (2, 1, 1))
    camera[1, 0, 2] = 5 / 40  # to the right
    video = replace(
        render(frames=2),
        frames=np.zeros((2, 40, 40, 3), np.uint8),
        layers=layers,
        layer_names=("torso",),
        camera=camera,
    )
    labels = frame_regions(video)
    expected = np.full((40, 40), REGIONS.index("background"))
    expected[:, : 5 + 1] = REGIONS.index("rest")  # beyond the source's border, and a rim of 1 px
    expected[9:21, 8:18] = REGIONS.index("rest")  # hidden behind the body in the source
    expected[9:21, 29:37] = REGIONS.index("rest")  # the rim of the body
    expected[10:20, 30:36] = REGIONS.index("trunk")
    np.testing.assert_array_equal(labels[1], expected)


def test_regions_follow_the_layers() -> None:
    video = render()
    labels = frame_regions(video)
    names = np.array([*video.layer_names, "scene"])[video.layers]
    assert (labels[names == "head"] == REGIONS.index("head")).all()
    assert (labels[names == "torso"] == REGIONS.index("trunk")).all()
    assert (labels[np.char.endswith(names, ("arm"))] == REGIONS.index("limbs")).all()
    assert (labels[names == "scene"] >= REGIONS.index("background")).all()
    # The source explains its own background, but for the rim.
    assert ((labels[0] == REGIONS.index("rest")) & (names[0] == "scene")).mean() < 0.15


def test_a_source_that_does_not_exist_is_rejected() -> None:
    for call in (scene_motion, frame_regions):
        for source in (-1, 2):
            with pytest.raises(DataError, match=f"from 0 to 1: {source}"):
                call(render(frames=2), source=source)
