from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from _helpers import brightness_extractor
from _helpers.command_line import assert_fails, document_of, output_of, run
from _helpers.media_files import packet_times, write_test_video
from _helpers.tiny_model import tiny_model

from cpabmm_core.inference.reconstructor import reconstruct, score_video
from cpabmm_core.media.video import VideoReader, VideoWriter


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """A folder of two videos, 9.mp4 with 4 frames and 10.mp4 with 2, and a file that is no clip."""
    folder = tmp_path / "videos"
    folder.mkdir()
    write_test_video(folder / "9.mp4", frames=4, rate=10)
    write_test_video(folder / "10.mp4", frames=2)
    (folder / "9.json").write_text("{}")
    return folder


def test_scores_agree_with_the_core(videos: Path, checkpoint: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    options = ("--checkpoint", checkpoint, "--precision", "fp32")
    document = document_of("reconstruct", videos, "-o", output, *options)
    for entry, frames in zip(document["videos"], (4, 2), strict=True):
        with VideoReader(videos / f"{entry['name']}.mp4") as video:
            generated = reconstruct(tiny_model(), (frame.image for frame in video))
            expected = score_video(frame.errors for frame in generated)
        assert expected.frames == entry["frames"] == frames
        assert entry["l1"] == pytest.approx(expected.l1, abs=1e-5)
        assert entry["standing_still"] == pytest.approx(expected.standing_still, abs=1e-5)
    assert [entry["name"] for entry in document["videos"]] == ["9", "10"]
    nine, ten = document["videos"]  # of 4 frames and of 2
    for score in ("l1", "standing_still"):
        assert document[score] == pytest.approx((4 * nine[score] + 2 * ten[score]) / 6)
    assert document["l1_videos"] == pytest.approx((nine["l1"] + ten["l1"]) / 2)
    assert document["l1"] != pytest.approx(document["l1_videos"], rel=1e-4)
    names = {"l1", "l1_videos", "standing_still", "videos", "precision", "output"}
    assert set(document) == names
    assert document["precision"] == "fp32"
    assert document["output"] == str(output)


def test_standing_still_is_measured_against_the_first_frame(
    checkpoint: Path, tmp_path: Path
) -> None:
    greys = (100, 110, 140)
    with VideoWriter(tmp_path / "a.mkv", 32, 32, 25, time_base=Fraction(1, 25)) as writer:
        for pts, grey in enumerate(greys):
            writer.write(np.full((32, 32, 3), grey, dtype=np.uint8), pts)
    document = document_of(
        "reconstruct", tmp_path / "a.mkv", "-o", tmp_path / "out", "-c", checkpoint
    )
    assert document["standing_still"] == pytest.approx((0 + 10 + 40) / 3 / 255, abs=4e-3)


def test_a_single_video_keeps_its_timestamps(
    videos: Path, checkpoint: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    printed = output_of("reconstruct", videos / "9.mp4", "-o", output, "-c", checkpoint)
    assert printed == f"{output}\n"
    assert [path.name for path in output.iterdir()] == ["9.mp4"]
    assert packet_times(output / "9.mp4") == packet_times(videos / "9.mp4")


def test_metrics_of_lossless_frames_agree_with_the_scores(
    videos: Path, checkpoint: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    options = ("-c", checkpoint, "--precision", "fp32", "--format", "png")
    scores = document_of("reconstruct", videos, "-o", output, *options)
    assert {path.name for path in output.iterdir()} == {"9", "10"}
    assert sorted(path.name for path in (output / "10").iterdir()) == ["000000.png", "000001.png"]
    measured = document_of("metrics", videos, output)
    # The files hold values rounded by at most 0.5 / 255, with errors that mostly cancel.
    assert measured["l1"] == pytest.approx(scores["l1"], abs=2e-4)


@pytest.mark.parametrize("format", ["png", "mp4"])
def test_metrics_in_one_pass_agree_with_metrics_of_lossless_frames(
    videos: Path,
    checkpoint: Path,
    tmp_path: Path,
    format: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    brightness_extractor.install(monkeypatch)
    monkeypatch.setenv("CPABMM_CACHE", str(tmp_path / "cache"))
    name = brightness_extractor.NAME
    extractors = ("--keypoints", name, "--identity", name)
    options = ("-c", checkpoint, "--precision", "fp32")
    output = tmp_path / "out"
    scores = document_of(
        "reconstruct", videos, "-o", output, *options, "--format", format, "--metrics", *extractors
    )
    lossless = tmp_path / "lossless"
    document_of("reconstruct", videos, "-o", lossless, *options, "--format", "png")
    measured = document_of("metrics", videos, lossless, *extractors)
    assert all(measured[key] is not None for key in ("psnr", "ssim", "akd", "mkr", "aed"))
    for key in measured.keys() - {"videos"}:
        assert scores[key] == measured[key], key
    for one, other in zip(scores["videos"], measured["videos"], strict=True):
        assert one.pop("standing_still") > 0
        assert one == other
    assert scores.keys() - measured.keys() == {"standing_still", "precision", "output"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--keypoints", "faces"), "needs --metrics"),
        (("--identity", "dino"), "needs --metrics"),
        (("--metrics", "--keypoints", "found.npz"), "cannot describe frames that do not exist yet"),
    ],
)
def test_extractors_that_would_be_unused_are_wrong_usage(
    videos: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    result = run("reconstruct", videos, "-o", tmp_path / "out", *arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.replace("\N{BOX DRAWINGS LIGHT VERTICAL}", "").split())


def test_scores_are_shown_on_stderr(videos: Path, checkpoint: Path, tmp_path: Path) -> None:
    result = run("reconstruct", videos, "-o", tmp_path / "out", "-c", checkpoint)
    _, nine, ten, frames, both = result.stderr.splitlines()
    assert [line.split()[0] for line in (nine, ten)] == ["9", "10"]
    assert frames.startswith("mean of 6 frames  l1 ")
    assert all("static baseline" in line and "ratio" in line for line in (nine, ten, frames))
    assert both.startswith("mean of 2 videos  l1 ")


def test_a_damaged_video_fails_before_the_model_is_loaded_and_leaves_no_output(
    videos: Path, tmp_path: Path
) -> None:
    (videos / "10.mp4").write_text("no video")
    arguments = ("reconstruct", videos, "-o", tmp_path / "out", "-c", tmp_path / "none.safetensors")
    assert_fails(3, *arguments, words="10.mp4")
    assert list(tmp_path.iterdir()) == [videos]


def test_an_existing_folder_is_kept_without_force(
    videos: Path, checkpoint: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "notes.txt").write_text("mine")
    arguments = ("reconstruct", videos, "-o", output, "-c", checkpoint)
    assert_fails(3, *arguments, words="--force")
    output_of(*arguments, "--force")
    assert {path.name for path in output.iterdir()} == {"notes.txt", "9.mp4", "10.mp4"}


@pytest.mark.parametrize("name", ["nowhere.mp4", "nowhere"])
def test_a_missing_input_is_a_one_line_error(tmp_path: Path, checkpoint: Path, name: str) -> None:
    arguments = ("reconstruct", tmp_path / name, "-o", tmp_path / "out", "-c", checkpoint)
    assert_fails(3, *arguments, words="no such file")


def test_a_folder_without_clips_is_a_one_line_error(tmp_path: Path, checkpoint: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    arguments = ("reconstruct", empty, "-o", tmp_path / "out", "-c", checkpoint)
    assert_fails(3, *arguments, words="holds no clip")


def test_the_output_folder_is_required(videos: Path) -> None:
    assert run("reconstruct", videos).exit_code == 2
