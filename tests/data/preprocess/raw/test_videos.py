"""Preprocessing raw videos: the result, and that it does not depend on how it was computed."""

import errno
import json
import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _helpers.raw_videos import across, ground, wandering, with_square, write_frames

from cpabmm_core.data.clip_set import StatusCallback
from cpabmm_core.data.preprocess.clip_writer import ClipWriter
from cpabmm_core.data.preprocess.raw import one_video, settings, videos
from cpabmm_core.data.preprocess.raw.assemble import VideoSummary
from cpabmm_core.data.preprocess.raw.rules import rules_for
from cpabmm_core.data.preprocess.raw.settings import ClipSettings
from cpabmm_core.data.preprocess.raw.sources import Source, list_sources
from cpabmm_core.data.preprocess.raw.videos import preprocess_videos
from cpabmm_core.data.preprocess.raw.work_folder import WorkFolder
from cpabmm_core.data.preprocess.shard import Shard
from cpabmm_core.data.split import split_data_set
from cpabmm_core.errors import ConfigError, DataError, MediaError, OutputExistsError
from cpabmm_core.files.digest import file_sha256
from cpabmm_core.media.clips import open_clip
from cpabmm_core.metrics.extractors import ExtractorInfo, Request, SubjectDetector

RULES = rules_for("none", min_frames=6, max_frames=8, min_size=64)
WHOLE = ClipSettings("none", RULES, size=64, scenes="none", test_share=0.3)
NAMES = ("anna/one.mp4", "anna/two.mp4", "bert/one.mp4", "Ölaf ☃.mp4", "short.mp4")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write five videos. Of 20 frames, 8 + 8 become clips and 4 are dropped; of 5, none do."""
    folder = tmp_path_factory.mktemp("raw")
    for seed, name in enumerate(NAMES):
        (folder / name).parent.mkdir(exist_ok=True)
        frames = wandering(across(5 if name.startswith("short") else 20), seed=seed)
        write_frames(folder / name, frames)
    return folder


def make(
    raw: Path,
    output: Path,
    how: ClipSettings = WHOLE,
    *,
    shard: Shard | None = None,
    workers: int = 1,
    request: Request | None = None,
    report: StatusCallback = lambda _: None,
) -> VideoSummary:
    return preprocess_videos(
        raw, output, how, shard=shard, workers=workers, request=request, report=report
    )


def lines_of(output: Path) -> list[dict[str, Any]]:
    text = (output / "manifest.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def contents(output: Path) -> dict[str, bytes]:
    """Return the files of the data set, without the working folder."""
    files = [path for path in output.rglob("*") if path.is_file()]
    kept = [path for path in files if "work" not in path.relative_to(output).parts]
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in kept}


@pytest.fixture(scope="module")
def whole(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("whole") / "set"
    make(raw, output)
    return output


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


SPANS = ("000000#000008", "000008#000016")
SUBSETS = ("train", "test")


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


def test_the_result_does_not_depend_on_the_number_of_processes(
    raw: Path, whole: Path, tmp_path: Path
) -> None:
    make(raw, tmp_path / "set", workers=2)
    assert contents(tmp_path / "set") == contents(whole)


def test_shards_together_give_the_result_of_one_run(raw: Path, whole: Path, tmp_path: Path) -> None:
    output = tmp_path / "set"
    counts = [
        sum(Shard(k, 3).contains(source.name) for source in list_sources(raw)) for k in (1, 2, 3)
    ]
    left = len(NAMES)
    for index, count in zip((3, 1, 2), (counts[2], counts[0], counts[1]), strict=True):
        assert not (output / "manifest.jsonl").exists()
        left -= count
        assert make(raw, output, shard=Shard(index, 3)).waiting == left
    assert contents(output) == contents(whole)


def test_shards_on_several_machines_merge(raw: Path, whole: Path, tmp_path: Path) -> None:
    """Each machine writes its own folder; the folders are then copied into one."""
    merged = tmp_path / "merged"
    for index in (1, 2):
        make(raw, tmp_path / str(index), shard=Shard(index, 2))
        shutil.copytree(tmp_path / str(index), merged, dirs_exist_ok=True)
    for path in raw.rglob("*.mp4"):
        path.touch()  # as after a copy without timestamps; the contents are compared instead
    assert make(raw, merged).waiting == 0
    assert contents(merged) == contents(whole)


@pytest.mark.parametrize("writes", [0, 3, 9])
def test_a_stopped_run_is_continued(
    raw: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """The run stops within a clip of the first video or of a later one."""
    output, left = tmp_path / "set", [writes * 3]
    real = ClipWriter.write

    def write(self: ClipWriter, image: np.ndarray, pts: int, duration: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        real(self, image, pts, duration)

    monkeypatch.setattr(ClipWriter, "write", write)
    with pytest.raises(KeyboardInterrupt):
        make(raw, output)
    assert not (output / "manifest.jsonl").exists()
    monkeypatch.undo()
    make(raw, output)
    assert contents(output) == contents(whole)
    assert list((output / "work" / "unfinished").iterdir()) == []


def test_processed_videos_are_not_processed_again(
    raw: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "set"
    shutil.copytree(whole, output)
    next(output.glob("*/bert*000016.mp4")).unlink()
    done: list[str] = []

    def preprocess_video(
        source: Source, how: ClipSettings, detector: SubjectDetector | None, work: WorkFolder
    ) -> None:
        done.append(source.name)
        one_video.preprocess_video(source, how, detector, work)

    monkeypatch.setattr(videos, "preprocess_video", preprocess_video)
    make(raw, output)
    assert done == ["bert/one.mp4"]
    assert contents(output) == contents(whole)


def test_other_settings_are_refused(raw: Path, whole: Path) -> None:
    before = contents(whole)
    with pytest.raises(OutputExistsError, match="was begun with size 64, not 48;") as error:
        make(raw, whole, replace(WHOLE, size=48))
    assert "\n" not in str(error.value)
    assert contents(whole) == before


def test_an_unrelated_folder_is_not_touched(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(OutputExistsError, match="is not empty"):
        make(raw, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(MediaError, match="also an input"):
        make(raw, raw)


def test_changed_and_added_videos_are_processed(raw: Path, tmp_path: Path) -> None:
    """The result is that of a fresh run, although identities may move between the sets."""
    growing, output = tmp_path / "raw", tmp_path / "set"
    shutil.copytree(raw, growing)
    make(growing, output)
    write_frames(growing / "anna/one.mp4", wandering(across(9), seed=9))
    for k in range(6):
        write_frames(growing / f"new{k}.mp4", wandering(across(8), seed=10 + k))
    make(growing, output)
    make(growing, tmp_path / "fresh")
    assert contents(output) == contents(tmp_path / "fresh")


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
        (replace(WHOLE, subject="cats"), "cats: no extractor of that name"),
    ],
)
def test_invalid_settings_fail_before_anything_is_written(
    raw: Path, tmp_path: Path, how: ClipSettings, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        make(raw, tmp_path / "set", how)
    assert not (tmp_path / "set").exists()


def test_a_second_run_in_the_same_folder_is_refused(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []

    def meanwhile(*_: object) -> None:
        monkeypatch.undo()
        try:
            make(raw, tmp_path / "set")
        except MediaError as error:
            refused.append(str(error))

    monkeypatch.setattr(videos, "preprocess_video", meanwhile)
    make(raw / "short.mp4", tmp_path / "set")
    assert len(refused) == 1
    assert "another run is writing there" in refused[0]


def test_a_disk_without_locks_is_used_with_a_message(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    messages: list[str] = []
    make(raw / "short.mp4", tmp_path / "set", report=messages.append)
    assert (tmp_path / "set/manifest.jsonl").exists()
    assert messages
    assert all("cannot be locked" in line for line in messages)


def test_a_partial_record_of_a_killed_run_is_ignored(
    raw: Path, whole: Path, tmp_path: Path
) -> None:
    """A killed run may leave a hidden temporary record, complete or not."""
    make(raw, tmp_path / "set")
    records = tmp_path / "set/work/records"
    some = next(records.iterdir())
    shutil.copy(some, records / ".0123456789abcdef.tmp.json")
    (records / ".fedcba9876543210.tmp.json").write_text("{")
    make(raw, tmp_path / "set")
    assert contents(tmp_path / "set") == contents(whole)


def test_an_unreadable_record_is_an_error(raw: Path, tmp_path: Path) -> None:
    make(raw, tmp_path / "set")
    next((tmp_path / "set/work/records").iterdir()).write_text("{")
    with pytest.raises(DataError, match="remove it and start again"):
        make(raw, tmp_path / "set")


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
