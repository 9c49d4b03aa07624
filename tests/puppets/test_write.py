"""Rendered puppets: reproducible, with true joints and bounded motion, written atomically."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cpabmm_core.errors import DataError, OutputExistsError
from cpabmm_core.media.clip_listing import list_clips
from cpabmm_core.media.clips import open_clip
from cpabmm_core.puppets import PuppetVideo, render_puppet, write_puppets
from cpabmm_core.puppets.appearance import BodyPlan
from cpabmm_core.puppets.canvas import Canvas
from cpabmm_core.puppets.motion import MotionName
from cpabmm_core.puppets.render import Split
from cpabmm_core.puppets.repertoire import motion_names
from cpabmm_core.puppets.write import Format

EVERY_MOTION = [(plan, motion) for plan in ("biped", "quadruped") for motion in motion_names(plan)]


def render(index: int, *, frames: int = 4, size: int = 48, split: Split = "train") -> PuppetVideo:
    return render_puppet(5, index, split=split, frames=frames, size=size)


def test_same_request_gives_same_video() -> None:
    first, second = render(3), render(3)
    assert np.array_equal(first.frames, second.frames)
    assert np.array_equal(first.joints, second.joints)
    assert first.identity == second.identity


def test_a_longer_video_begins_with_the_shorter_one() -> None:
    short, long = render(2, frames=3), render(2, frames=9)
    assert np.array_equal(short.frames, long.frames[:3])


@pytest.mark.parametrize("change", [{"seed": 6}, {"index": 4}, {"split": "test"}])
def test_each_part_of_the_request_matters(change: dict[str, Any]) -> None:
    request: dict[str, Any] = {"seed": 5, "index": 3, "split": "train"} | change
    video = render_puppet(**request, frames=1, size=48)
    assert video.identity != render(3).identity
    assert not np.array_equal(video.frames, render(3).frames[:1])


def test_train_and_test_have_different_characters() -> None:
    seen = [
        json.dumps(render(index, frames=1, size=32, split=split).identity, sort_keys=True)
        for split in ("train", "test")
        for index in range(15)
    ]
    assert len(set(seen)) == 30


def test_size_changes_resolution_only() -> None:
    small, large = render(1, size=48), render(1, size=144)
    assert np.allclose((small.joints + 0.5) / 48, (large.joints + 0.5) / 144)
    shrunk = large.frames.reshape(4, 48, 3, 48, 3, 3).mean((2, 4))
    assert np.abs(shrunk - small.frames).mean() < 3.0


@pytest.mark.parametrize(("plan", "motion"), EVERY_MOTION)
def test_motion_is_lively_smooth_and_inside(plan: BodyPlan, motion: MotionName) -> None:
    video = render_puppet(8, 0, split="test", frames=32, size=48, body_plan=plan, motion=motion)
    assert (video.body_plan, video.motion) == (plan, motion)
    steps = np.linalg.norm(np.diff(video.joints, axis=0), axis=-1)
    assert steps.max() < 0.032 * 48
    assert video.in_frame.mean() > 0.99
    travel = np.linalg.norm(np.ptp(video.joints, axis=0), axis=-1)
    assert travel.max() > 0.1 * 48
    assert np.abs(video.frames[1:] - video.frames[:1].astype(float)).mean() > 0.025 * 255


def test_static_baseline_has_a_clear_error() -> None:
    errors = []
    for index in range(12):
        frames = render(index, frames=32).frames / 255
        errors.append(np.abs(frames[1:] - frames[0]).mean())
    assert 0.05 < np.mean(errors) < 0.1


def test_visible_joints_lie_on_the_character(monkeypatch: pytest.MonkeyPatch) -> None:
    videos = [render(index, size=64) for index in range(6)]
    monkeypatch.setattr(Canvas, "add", lambda *_: None)
    monkeypatch.setattr(Canvas, "shade", lambda *_: None)
    differences = []
    for index, video in enumerate(videos):
        background = render(index, size=64)
        assert not background.visible.any()
        frame, joint = np.nonzero(video.visible)
        x, y = np.rint(video.joints[frame, joint]).astype(int).T
        here = video.frames[frame, y, x].astype(int)
        differences.append(np.abs(here - background.frames[frame, y, x]).max(-1))
    found = np.concatenate(differences)
    assert len(found) > 250
    assert (found > 20).mean() > 0.97


def test_far_limbs_are_sometimes_hidden_and_near_ones_visible() -> None:
    video = render_puppet(5, 0, split="train", frames=24, size=64, body_plan="biped", motion="walk")
    assert 0.4 < video.visible.mean() < 0.98
    arms = [video.joint_names.index(f"{side}_wrist") for side in ("left", "right")]
    assert video.visible[:, arms].mean(0).max() > 0.9


def test_backgrounds_move_a_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Canvas, "add", lambda *_: None)
    monkeypatch.setattr(Canvas, "shade", lambda *_: None)
    for index in range(4):
        frames = render(index, frames=16).frames / 255
        assert 0.0005 < np.abs(frames[15] - frames[0]).mean() < 0.03


@pytest.mark.parametrize(
    "wrong", [{"frames": 0}, {"size": 31}, {"index": -1}, {"seed": -1}, {"motion": "swim"}]
)
def test_impossible_requests_are_refused(wrong: dict[str, Any]) -> None:
    request: dict[str, Any] = {"seed": 0, "index": 0, "frames": 1, "size": 32} | wrong
    with pytest.raises(DataError, match="puppets:"):
        render_puppet(split="train", **request)


@pytest.mark.parametrize("storage", ["mp4", "strip", "png"])
def test_data_set_on_disk(tmp_path: Path, storage: Format) -> None:
    calls = []
    write_puppets(
        tmp_path / "set",
        videos=2,
        test_videos=1,
        frames=3,
        size=48,
        seed=5,
        format=storage,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert len(list_clips(tmp_path / "set" / "test")) == 1
    clips = list_clips(tmp_path / "set" / "train")
    assert len(clips) == 2
    clip = open_clip(clips[1])
    video = render(1, frames=3)
    assert len(clip) == 3
    error = np.abs(np.stack(clip.read([0, 1, 2])).astype(float) - video.frames).mean()
    assert error < 6 if storage == "mp4" else error == 0
    truth = json.loads(clips[1].with_suffix(".json").read_text())
    assert np.allclose(truth["joints"], video.joints, atol=1e-3)
    assert truth["visible"] == video.visible.tolist()
    assert truth["in_frame"] == video.in_frame.tolist()
    assert truth["joint_names"] == list(video.joint_names)
    assert truth["identity"] == json.loads(json.dumps(video.identity))
    assert (truth["split"], truth["index"], truth["seed"]) == ("train", 1, 5)
    assert (truth["frames"], truth["size"], truth["frame_rate"]) == (3, 48, 25)


def test_workers_do_not_change_the_data(tmp_path: Path) -> None:
    for workers in (1, 2):
        write_puppets(
            tmp_path / str(workers),
            videos=2,
            test_videos=0,
            frames=2,
            size=32,
            seed=1,
            format="strip",
            workers=workers,
        )
    for one in (tmp_path / "1" / "train").iterdir():
        assert one.read_bytes() == (tmp_path / "2" / "train" / one.name).read_bytes()


def test_interrupted_writing_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_puppets(
            tmp_path / "set", videos=2, test_videos=0, frames=2, size=32, seed=0, progress=stop
        )
    assert list(tmp_path.iterdir()) == []


def test_existing_data_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("keep")
    with pytest.raises(OutputExistsError):
        write_puppets(tmp_path, videos=1, test_videos=0, frames=2, size=32, seed=0)
    assert [entry.name for entry in tmp_path.iterdir()] == ["precious.txt"]


def test_other_looks_do_not_change_body_and_scene() -> None:
    plain, other = render(3), render(4)
    restyled = render_puppet(5, 3, split="train", frames=4, size=48, looks=4)
    assert np.array_equal(restyled.joints, plain.joints)
    assert restyled.joint_names == plain.joint_names
    assert restyled.identity["proportions"] == plain.identity["proportions"]
    assert restyled.identity["colours"] != plain.identity["colours"]
    if plain.body_plan == other.body_plan:
        assert restyled.identity["colours"] == other.identity["colours"]
    changed = np.abs(restyled.frames.astype(int) - plain.frames).max(-1) > 0
    assert 0.02 < changed.mean() < 0.5


def test_hidden_layers_are_not_rendered() -> None:
    request: dict[str, Any] = {"split": "test", "frames": 4, "size": 96, "body_plan": "biped"}
    plain = render_puppet(5, 0, **request)
    incomplete = render_puppet(5, 0, **request, hidden=["left_arm", "right_arm"])
    assert np.array_equal(incomplete.joints, plain.joints)
    arms = [name.endswith(("elbow", "wrist", "hand", "shoulder")) for name in plain.joint_names]
    assert plain.visible[:, arms].any()
    assert not incomplete.visible[:, arms].any()
    assert (incomplete.visible[:, ~np.array(arms)] >= plain.visible[:, ~np.array(arms)]).all()
    # Pixels change only where an arm was, near its joints.
    changed = np.abs(incomplete.frames.astype(int) - plain.frames).max(-1) > 0
    assert changed.any()
    for frame, joints in zip(changed, plain.joints[:, arms], strict=True):
        places = np.argwhere(frame)[:, ::-1]
        distances = np.linalg.norm(places[:, None] - joints[None], axis=-1).min(1)
        assert distances.max() < 0.12 * 96
