"""The bundled networks, evaluated on the true joints of unseen puppets."""

import hashlib
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save

from cpabmm_core.errors import CheckpointError, ConfigError
from cpabmm_core.metrics import average_keypoint_distance
from cpabmm_core.metrics.extractors import (
    EmbeddingExtractor,
    KeypointExtractor,
    Request,
    open_embedding_extractor,
    open_keypoint_extractor,
    puppets,
)
from cpabmm_core.metrics.extractors.puppets.joints import (
    BIPED,
    JOINT_NAMES,
    QUADRUPED,
    arrange_joints,
)
from cpabmm_core.puppets import PuppetVideo, render_puppet
from cpabmm_core.puppets.appearance import sample_identity
from cpabmm_core.puppets.background import Backdrop
from cpabmm_core.puppets.camera import sample_camera
from cpabmm_core.puppets.canvas import Canvas
from cpabmm_core.puppets.compositing import pose_puppets
from cpabmm_core.puppets.repertoire import sample_motion
from cpabmm_core.puppets.stage import Stage

SEED = 20261127
VIDEOS = 12
DELAY = 8
WEIGHTS = Path(str(resources.files("cpabmm_core") / "weights" / "puppet-extractor.safetensors"))

Frames = NDArray[np.uint8]
Joints = NDArray[np.float64]


@pytest.fixture(scope="module")
def extractor() -> puppets.PuppetExtractor:
    return puppets.open_extractor(Request(device="cpu"))


@cache
def video(index: int, size: int = 128) -> PuppetVideo:
    """Render two frames of a video, `DELAY` frames apart."""
    rendered = render_puppet(SEED, index, split="test", frames=DELAY + 1, size=size)
    parts = ("frames", "joints", "in_frame", "visible", "layers", "camera")
    return replace(rendered, **{part: getattr(rendered, part)[::DELAY] for part in parts})


def truth(index: int, size: int = 128) -> Joints:
    return arrange_joints(video(index, size).joints, video(index, size).joint_names)


def found(joints: Joints) -> NDArray[np.bool_]:
    return np.asarray(~np.isnan(joints).any(-1))


@cache
def detected(size: int) -> Joints:
    """Return detections in all videos, (V, 2, J, 2)."""
    extractor = puppets.open_extractor(Request(device="cpu"))
    return np.stack([extractor.keypoints(video(index, size).frames) for index in range(VIDEOS)])


@pytest.mark.parametrize("size", [64, 96, 128, 256])
def test_akd_agrees_with_the_true_joints_within_a_tenth(size: int) -> None:
    true = np.stack([truth(index, size) for index in range(VIDEOS)])
    akd, wanted = (
        average_keypoint_distance(joints[:, 0], joints[:, 1]).akd
        for joints in (detected(size), true)
    )
    assert akd == pytest.approx(wanted, rel=0.1)


@pytest.mark.parametrize("size", [64, 256])
def test_detections_scale_with_the_frame(size: int) -> None:
    """Pixel centres lie at integers, so x at 128 pixels is (x + 0.5) * size / 128 - 0.5."""
    scaled = (detected(128) + 0.5) * size / 128 - 0.5
    both = found(scaled) & found(detected(size))
    assert both.sum() > 0.97 * found(scaled).sum()
    difference = (detected(size) - scaled)[both] * 128 / size
    assert np.abs(np.median(difference, 0)).max() < 0.2
    assert np.abs(difference).mean() < 0.8


def test_a_shift_gives_the_expected_akd(extractor: puppets.PuppetExtractor) -> None:
    """Joints move by 3 px in x and 0 in y, so AKD, the mean of both, is 1.5."""
    frames = np.concatenate([video(index).frames for index in range(VIDEOS)])
    shifted = np.concatenate([frames[:, :, :1].repeat(3, 2), frames[:, :, :-3]], axis=2)
    real, generated = extractor.keypoints(frames), extractor.keypoints(shifted)
    assert average_keypoint_distance(real, generated).akd == pytest.approx(1.5, rel=0.1)


def test_nearly_all_joints_are_found_and_near_the_true_ones() -> None:
    true = np.stack([truth(index) for index in range(VIDEOS)])
    both = found(true) & found(detected(128))
    assert both.sum() > 0.97 * found(true).sum()
    assert np.abs(detected(128) - true)[both].mean() < 2


def test_joints_of_the_other_body_plan_are_missing() -> None:
    plans = {video(index).body_plan for index in range(VIDEOS)}
    assert plans == {"biped", "quadruped"}
    for index in range(VIDEOS):
        other = ~BIPED if video(index).body_plan == "biped" else ~QUADRUPED
        assert not found(detected(128)[index])[:, other].any()


def render_without(limb: str, index: int) -> tuple[Frames, Frames]:
    """Render a character in one pose and scene, with all limbs and without one."""
    rng = np.random.default_rng([SEED, index])
    identity = sample_identity(rng, "biped")
    stage = Stage(identity, sample_motion(rng, identity, "wave"), sample_camera(rng), rng)
    shot = stage.shoot(rng.uniform(0, 5, 1))
    (puppet,) = pose_puppets(stage, shot, 128)
    backdrop = Backdrop(rng, 128)
    pictures = []
    for left_out in ("", limb):
        canvas = Canvas(backdrop.view(shot.camera[0]), puppet.unit)
        for layer in puppet.layers():
            if layer.name != left_out:
                canvas.add(layer, 0)
        pictures.append(canvas.to_bytes()[None])
    return pictures[0], pictures[1]


@pytest.mark.parametrize("limb", ["left_arm", "right_arm", "left_leg", "right_leg"])
def test_a_missing_limb_raises_mkr(limb: str, extractor: puppets.PuppetExtractor) -> None:
    """A limb has 4 of the 19 or 20 joints."""
    pairs = [render_without(limb, index) for index in range(10)]
    whole, reduced = (
        extractor.keypoints(np.concatenate(frames)) for frames in zip(*pairs, strict=True)
    )
    side, part = limb.split("_")
    ends = ("elbow", "wrist", "hand") if part == "arm" else ("knee", "ankle", "toe")
    columns = [JOINT_NAMES.index(f"{side}_{end}") for end in ends]
    assert found(whole)[:, columns].mean() > 0.9
    assert found(reduced)[:, columns].mean() < 0.3
    mkr = average_keypoint_distance(whole, reduced).mkr
    assert mkr == pytest.approx(4 / 20, abs=0.07)


def test_painted_over_feet_are_missing(extractor: puppets.PuppetExtractor) -> None:
    """Replace all rows below the highest knee by the colours of the left edge."""
    toes = [column for column, name in enumerate(JOINT_NAMES) if name.endswith(("ankle", "toe"))]
    knees = [column for column, name in enumerate(JOINT_NAMES) if name.endswith("knee")]
    before = after = 0
    for index in range(VIDEOS):
        frames = video(index).frames.copy()
        for frame, knee in zip(frames, truth(index)[:, knees, 1], strict=True):
            start = int(np.nanmin(knee))
            frame[start:] = frame[start:, :4].mean(1, keepdims=True)
        before += found(detected(128)[index])[:, toes].sum()
        after += found(extractor.keypoints(frames))[:, toes].sum()
    assert after < 0.1 * before


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_uniform_frames_have_no_joints(shade: int, extractor: puppets.PuppetExtractor) -> None:
    frames = np.full((2, 96, 96, 3), shade, np.uint8)
    assert np.isnan(extractor.keypoints(frames)).all()
    assert np.isnan(extractor.embeddings(frames)).all()


def test_a_scene_without_a_character_has_no_joints(extractor: puppets.PuppetExtractor) -> None:
    still = np.array([[1.0, 0, 0], [0, 1, 0]])
    scenes = [Backdrop(np.random.default_rng([SEED, n]), 128).view(still) for n in range(12)]
    frames = (np.stack(scenes) * 255).astype(np.uint8)
    assert found(extractor.keypoints(frames)).mean() < 0.01
    assert np.isnan(extractor.embeddings(frames)).all(1).mean() > 0.9


def test_akd_tolerates_blur(extractor: puppets.PuppetExtractor) -> None:
    """Halving the resolution of generated frames leaves AKD close to that of the true joints."""
    frames = np.concatenate([video(index).frames[1:] for index in range(VIDEOS)])
    blurred = np.stack(
        [np.asarray(Image.fromarray(frame).resize((64, 64)).resize((128, 128))) for frame in frames]
    )
    real = detected(128)[:, 0]
    true = np.stack([truth(index) for index in range(VIDEOS)])
    distance = average_keypoint_distance(real, extractor.keypoints(blurred))
    wanted = average_keypoint_distance(true[:, 0], true[:, 1]).akd
    assert distance.akd == pytest.approx(wanted, rel=0.15)
    assert distance.mkr < 0.05


def test_embeddings_distinguish_characters(extractor: puppets.PuppetExtractor) -> None:
    """A character is nearer to itself in another motion than to all others."""
    one, other = (
        np.concatenate(
            [
                extractor.embeddings(
                    render_puppet(
                        SEED,
                        index,
                        split="test",
                        frames=1,
                        size=96,
                        body_plan="biped",
                        motion=motion,
                    ).frames
                )
                for index in range(VIDEOS)
            ]
        )
        for motion in ("walk", "wave")
    )
    assert np.linalg.norm(one, axis=1) == pytest.approx(1, abs=1e-5)
    squares = ((one[:, None] - other) ** 2).sum(-1)
    same, different = np.diag(squares), squares[~np.eye(VIDEOS, dtype=bool)]
    assert (squares.argmin(1) == np.arange(VIDEOS)).mean() > 0.9
    assert same.mean() < 0.3 * different.mean()


def test_frames_are_independent(extractor: puppets.PuppetExtractor) -> None:
    frames = np.concatenate([video(index).frames for index in range(3)])
    joints, embeddings = extractor.keypoints(frames), extractor.embeddings(frames)
    for number in range(len(frames)):
        part = frames[number : number + 1]
        np.testing.assert_array_equal(extractor.keypoints(part)[0], joints[number])
        np.testing.assert_array_equal(extractor.embeddings(part)[0], embeddings[number])
    assert extractor.keypoints(frames[:0]).shape == (0, len(JOINT_NAMES), 2)
    assert extractor.embeddings(frames[:0]).shape == (0, embeddings.shape[1])


@pytest.mark.parametrize("shape", [(128, 192), (192, 128)])
def test_frames_need_not_be_square(
    shape: tuple[int, int], extractor: puppets.PuppetExtractor
) -> None:
    """Padding at the bottom or right does not move the joints."""
    frames = video(0).frames
    more = [(0, 0), (0, shape[0] - 128), (0, shape[1] - 128), (0, 0)]
    wide, square = extractor.keypoints(np.pad(frames, more, mode="edge")), detected(128)[0]
    both = found(wide) & found(square)
    assert both.sum() > 0.9 * found(square).sum()
    assert np.abs(wide - square)[both].mean() < 1.5


def test_kinds_and_info() -> None:
    opened = open_keypoint_extractor("puppets", Request(device="cpu"))
    assert isinstance(opened, KeypointExtractor)
    assert isinstance(opened, EmbeddingExtractor)
    assert isinstance(open_embedding_extractor("puppets"), puppets.PuppetExtractor)
    assert opened.info.name == "puppets"
    assert opened.info.weights == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert "ms a frame" in opened.info.cost


def test_the_weights_take_at_most_two_megabytes() -> None:
    assert WEIGHTS.stat().st_size <= 2_000_000


def test_options_are_rejected() -> None:
    with pytest.raises(ConfigError, match="puppets: unknown option weights; it takes none"):
        open_keypoint_extractor("puppets?weights=mine.pt")


@pytest.mark.parametrize("damage", ["missing", "cut", "key", "shape"])
def test_damaged_weights_are_an_error_with_a_cure(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "files", lambda _: tmp_path)
    file = tmp_path / "weights" / WEIGHTS.name
    file.parent.mkdir()
    tensors = load_file(WEIGHTS)
    key = next(iter(tensors))
    if damage == "cut":
        file.write_bytes(WEIGHTS.read_bytes()[:-1])
    elif damage != "missing":
        tensors[key] = torch.zeros(1, 2, 3)
        if damage == "key":
            del tensors[key]
        file.write_bytes(save(tensors))
    with pytest.raises(CheckpointError, match="reinstall cpabmm") as caught:
        puppets.open_extractor(Request(device="cpu"))
    assert "\n" not in str(caught.value)
