"""Preprocessing raw videos: clips, manifest, thumbnails, and errors."""

import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from _helpers.raw_data_sets import RULES, SPANS, SUBSETS, WHOLE, lines_of, make
from _helpers.raw_videos import across, ground, wandering, with_square, write_frames

from cpabmm_core.data.preprocess.raw import settings, videos
from cpabmm_core.data.preprocess.raw.assemble import VideoSummary
from cpabmm_core.data.preprocess.raw.rules import rules_for
from cpabmm_core.data.preprocess.raw.settings import ClipSettings
from cpabmm_core.data.split import split_data_set
from cpabmm_core.errors import ConfigError
from cpabmm_core.files.digest import file_sha256
from cpabmm_core.media.clips import open_clip
from cpabmm_core.metrics.extractors import ExtractorInfo, Request


def test_the_data_set_is_complete(raw: Path, whole: Path) -> None:
    summary = make(raw, whole)  # all videos are done
    assert summary == VideoSummary(5, 0, 0, 8, 3, 2.56, {"too few frames": 5})
    names = {path.stem for subset in ("train", "test") for path in (whole / subset).iterdir()}
    owners = ("anna#one", "anna#two", "bert#one", "Ölaf ☃#Ölaf ☃")
    assert names == {f"{owner}#{span}" for owner in owners for span in SPANS}
    sets = [
        {path.name.partition("#")[0] for path in (whole / subset).iterdir()} for subset in SUBSETS
    ]
    assert len(sets[1]) == 1
    assert not sets[0] & sets[1]
    assert (whole / "contact-sheet.png").exists()


def test_the_split_is_the_one_of_training(whole: Path, tmp_path: Path) -> None:
    for subset in SUBSETS:
        for path in (whole / subset).iterdir():
            (tmp_path / path.name).touch()
    split = split_data_set(tmp_path, 0.3, 0, lambda _: None)
    assert {path.name for path in split.test.paths or []} == {
        path.name for path in (whole / "test").iterdir()
    }


def test_the_manifest_describes_each_clip(raw: Path, whole: Path) -> None:
    first, *lines = lines_of(whole)
    assert first["settings"]["subject"] == "none"
    assert first["settings"]["max_frames"] == 8
    assert "version of av" in first["settings"]
    assert [line["source"] for line in lines] == sorted(line["source"] for line in lines)
    for line in lines:
        assert line["sha256"] == file_sha256(raw / line["source"])
        assert line["start_seconds"] == line["start"] / 25
        assert line["end_seconds"] == line["end"] / 25
        assert line["box"] == [42, 0, 150, 108]
        assert (line["clip"] is None) == (line["dropped"] is not None)
    ours = [line for line in lines if line["source"] == "anna/one.mp4"]
    assert [(line["start"], line["end"], line["dropped"]) for line in ours] == [
        (0, 8, None),
        (8, 16, None),
        (16, 20, "too few frames"),
    ]
    assert (whole / ours[0]["clip"]).exists()


def test_clips_show_the_frames_of_the_video(raw: Path, tmp_path: Path) -> None:
    for file_format in ("mp4", "png"):
        output = tmp_path / file_format
        make(raw, output, replace(WHOLE, size=108, file_format=file_format))
        (path,) = output.glob(f"*/anna#two#{SPANS[1]}*")
        clip, source = open_clip(path), open_clip(raw / "anna/two.mp4")
        assert len(clip) == 8
        for k in (0, 7):
            (cut_frame,), (frame,) = clip.read([k]), source.read([8 + k])
            error = np.abs(cut_frame.astype(int) - frame[:, 42:150]).mean()
            assert error < (2.5 if file_format == "mp4" else 1e-9)


def test_motion_end_to_end(tmp_path: Path) -> None:
    corners = across(12)
    write_frames(tmp_path / "a.mp4", wandering(corners))
    rules = rules_for("motion", min_frames=6, min_size=40)
    make(tmp_path / "a.mp4", tmp_path / "set", replace(WHOLE, subject="motion", rules=rules))
    _, line = lines_of(tmp_path / "set")
    left, top, right, bottom = line["box"]
    assert right - left == bottom - top
    assert left <= 40
    assert right >= 90 + 24
    assert (
        tmp_path / "set" / line["clip"]
    ).parent.name == "train"  # a single identity is not held out


def test_a_broken_video_is_reported_and_the_others_processed(raw: Path, tmp_path: Path) -> None:
    broken, output = tmp_path / "raw", tmp_path / "set"
    shutil.copytree(raw, broken)
    good = (broken / "short.mp4").read_bytes()
    (broken / "short.mp4").write_bytes(good[: len(good) // 2])
    (broken / "text.mp4").write_text("no video")
    messages: list[str] = []
    summary = make(broken, output, report=messages.append)
    assert (summary.videos, summary.unreadable, summary.clips) == (6, 2, 8)
    assert [line.partition(":")[0] for line in messages] == [
        str(broken / "short.mp4"),
        str(broken / "text.mp4"),
    ]
    errors = {line["source"]: line["error"] for line in lines_of(output) if "error" in line}
    assert set(errors) == {"short.mp4", "text.mp4"}
    assert str(tmp_path) not in str(errors)
    (broken / "short.mp4").write_bytes(good)
    (broken / "text.mp4").unlink()
    messages.clear()
    make(broken, output, report=messages.append)
    assert messages == []


class FakeDetector:
    """A detector of one face at rest, and of a second one in the first five frames."""

    info = ExtractorInfo("fake", "1", "0", "")

    def __init__(self) -> None:
        self.seen = 0

    def boxes(self, frames: np.ndarray) -> list[np.ndarray]:
        found = []
        for _ in frames:
            boxes = [[40, 30, 70, 60], [120, 30, 150, 60]]
            found.append(np.array(boxes[: 2 if self.seen < 5 else 1], dtype=float))
            self.seen += 1
        return found


def test_faces_end_to_end(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_detector(name: str, request: Request) -> FakeDetector:
        assert (name, request.device) == ("faces-dlib", "cpu")
        return FakeDetector()

    for module in (settings, videos):
        monkeypatch.setattr(module, "open_subject_detector", open_detector)
    rules = rules_for("faces-dlib", min_frames=6, min_size=20)
    faces = ClipSettings("faces-dlib", rules, size=64, scenes="none")
    make(raw / "bert/one.mp4", tmp_path / "set", faces, request=Request(device="cpu"))
    first, *lines = lines_of(tmp_path / "set")
    assert first["settings"]["detector"]["name"] == "fake"
    found = [(each["start"], each["end"], each["box"], each["dropped"]) for each in lines]
    assert found == [
        (0, 5, [117, 27, 153, 63], "too few frames"),
        (0, 20, [37, 27, 73, 63], None),
    ]


def test_two_faces_in_the_same_frames_give_two_clip_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "open_subject_detector", lambda *_: FakeDetector())
    monkeypatch.setattr(videos, "open_subject_detector", lambda *_: FakeDetector())
    raw = write_frames(tmp_path / "a.mp4", wandering(across(5)))
    rules = rules_for("faces", min_frames=5, min_size=20)
    make(raw, tmp_path / "set", ClipSettings("faces", rules, size=64, scenes="none"))
    names = sorted(path.name for path in (tmp_path / "set/train").iterdir())
    assert names == ["a#a#000000#000005.mp4", "a#a-2#000000#000005.mp4"]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (replace(WHOLE, size=33), "an even number"),
        (replace(WHOLE, test_share=1.0), "share in"),
        (replace(WHOLE, subject="cats"), "cats: unknown extractor"),
    ],
)
def test_invalid_settings_fail_before_anything_is_written(
    raw: Path, tmp_path: Path, how: ClipSettings, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        make(raw, tmp_path / "set", how)
    assert not (tmp_path / "set").exists()


def test_a_thumbnail_shows_the_middle_frame(tmp_path: Path) -> None:
    from cpabmm_core.media.image import read_image

    corners = [(130, 10)] * 4 + [(60, 30)] + [(130, 10)] * 4
    frames = [with_square(ground(), corner, 60) for corner in corners]
    raw = write_frames(tmp_path / "a.mp4", frames)
    make(raw, tmp_path / "set", replace(WHOLE, rules=replace(RULES, max_frames=9)))
    (path,) = (tmp_path / "set/work/pictures").iterdir()
    thumbnail = read_image(path)
    assert thumbnail[64, 64].min() > 200  # (96, 54) of the video, in the middle of the square
    sheet = read_image(tmp_path / "set/contact-sheet.png")
    np.testing.assert_array_equal(sheet[:128, :128], thumbnail)


def test_memory_does_not_grow_with_the_video(tmp_path: Path) -> None:
    """400 frames take no more memory than 40; all together they would take 25 MB."""
    peaks: list[int] = []
    for count in (40, 40, 400):  # the first run imports and caches
        raw = write_frames(tmp_path / f"{count}.mp4", wandering(across(count)))
        rules = replace(RULES, max_frames=1000)
        tracemalloc.start()
        make(raw, tmp_path / f"set{len(peaks)}", replace(WHOLE, rules=rules))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 10 * 192 * 108 * 3
