"""Files that are no video, and libraries that fail, end each command with one line and code 3."""

from pathlib import Path

import numpy as np
import pytest
from _helpers.command_line import assert_fails, assert_leaves_no_file, run
from _helpers.faulty_library import break_library
from _helpers.media_files import numbered_frame, write_test_video
from _helpers.odd_files.opening import NO_VIDEOS, make_camera_avi, make_photo
from _helpers.tiny_model import tiny_config

from cpabmm_core.config import dump_config
from cpabmm_core.media import VideoReader, write_image

ODD = ("notes.mp4", "playlist.mov", "script.mp4", "session.avi", "speech.mp4", "zeros.mp4")
PIXELS_ONLY = ("--keypoints", "none", "--identity", "none")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    write_image(tmp_path / "s.png", numbered_frame(1, 32, 32))
    return tmp_path / "s.png"


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_video_ends_a_command(
    tmp_path: Path, picture: Path, checkpoint: Path, name: str
) -> None:
    make, trouble = NO_VIDEOS[name]
    folder = tmp_path / "clips"
    folder.mkdir()
    odd = folder / name
    make(odd)
    words = f"{odd}: {trouble}"
    model = ("-c", checkpoint)

    def commands() -> None:
        output = tmp_path / "o.mp4"
        assert_fails(3, "-q", "animate", picture, odd, "-o", output, *model, words=words)
        assert_fails(3, "-q", "animate", odd, picture, "-o", output, *model, words=words)
        assert_fails(3, "-q", "metrics", odd, odd, *PIXELS_ONLY, words=words)

    assert_leaves_no_file(tmp_path, commands)
    assert_fails(3, "-q", "reconstruct", folder, "-o", tmp_path / "out", *model, words=words)


@pytest.mark.parametrize("stage", ["open", "streams", "demux", "decode", "side_data", "to_ndarray"])
def test_a_failing_library_ends_a_command(
    tmp_path: Path,
    picture: Path,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
) -> None:
    (tmp_path / "clips").mkdir()
    clip = write_test_video(tmp_path / "clips" / "clip.mp4", frames=3, size=(32, 32))
    break_library(monkeypatch, stage, RuntimeError("as never seen"))
    words = f"{clip}: "
    model = ("-c", checkpoint)
    output = tmp_path / "o.mp4"
    assert_fails(3, "-q", "animate", picture, clip, "-o", output, *model, words=words)
    assert_fails(3, "-q", "animate", clip, picture, "-o", output, *model, words=words)
    assert_fails(3, "-q", "metrics", clip, clip, *PIXELS_ONLY, words=words)
    folder = clip.parent
    assert_fails(3, "-q", "reconstruct", folder, "-o", tmp_path / "out", *model, words=words)


def test_frames_with_exif_animate(tmp_path: Path, picture: Path, checkpoint: Path) -> None:
    make_camera_avi(tmp_path / "camera.avi")
    make_photo(tmp_path / "photo.jpg")
    for name, count in (("camera.avi", 6), ("photo.jpg", 1)):
        output = tmp_path / f"{name}.mp4"
        driving = tmp_path / name
        result = run("-q", "animate", picture, driving, "-o", output, "-c", checkpoint)
        assert result.exit_code == 0, result.output
        images = [frame.image for frame in VideoReader(output)]
        assert len(images) == count
        assert all(np.isfinite(image).all() for image in images)


@pytest.mark.parametrize("failing", [False, True])
def test_training_skips_or_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: bool
) -> None:
    """Only odd clips are unusable; with a failing library all are."""
    (tmp_path / "tiny.yaml").write_text(dump_config(tiny_config()))
    folder = tmp_path / "data" / "train"
    folder.mkdir(parents=True)
    for name in ODD:
        NO_VIDEOS[name][0](folder / name)
    for name in ("camera1.avi", "camera2.avi"):
        make_camera_avi(folder / name)
    options = ("--config", tmp_path / "tiny.yaml", "--data", tmp_path / "data", "--device", "cpu")
    changes = ("--set", "training.batch_size=2", "--set", "losses.reconstruction_kind=pixel")
    command = ("train", *options, *changes, "--out", tmp_path / "run", "--dry-run")
    if failing:
        break_library(monkeypatch, "demux", RuntimeError("as never seen"))
    result = run(*command, "--set", "data.on_error=skip")
    assert result.exit_code == (3 if failing else 0), result.output
    for name in ODD:
        trouble = NO_VIDEOS[name][1]
        assert f"unusable clip: {folder / name}: {trouble}" in result.stderr
    assert (f"unusable clip: {folder / 'camera1.avi'}: " in result.stderr) == failing
    refused = run(*command, "--set", "data.on_error=refuse")
    assert refused.exit_code == 3
    assert f"{len(ODD) + 2 * failing} clips are unusable" in refused.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ODD)
def test_preprocessing_names_what_is_no_video(tmp_path: Path, name: str) -> None:
    (tmp_path / "raw").mkdir()
    NO_VIDEOS[name][0](tmp_path / "raw" / name)
    options = ("--subject", "none", "--scenes", "none", "--size", 64, "--workers", 1)
    result = run("preprocess", "videos", tmp_path / "raw", "-o", tmp_path / "set", *options)
    assert result.exit_code == 1
    first = result.stderr.splitlines()[0]
    assert first.startswith(f"error: {tmp_path / 'raw' / name}: {NO_VIDEOS[name][1]}")
