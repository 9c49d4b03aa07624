"""Preprocessing raw videos: resuming, shards and locks do not change the result."""

import errno
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from _helpers.raw_data_sets import NAMES, WHOLE, contents, make
from _helpers.raw_videos import across, wandering, write_frames

from cpabmm_core.data.preprocess.clip_writer import ClipWriter
from cpabmm_core.data.preprocess.raw import one_video, videos
from cpabmm_core.data.preprocess.raw.settings import ClipSettings
from cpabmm_core.data.preprocess.raw.sources import Source, list_sources
from cpabmm_core.data.preprocess.raw.work_folder import WorkFolder
from cpabmm_core.data.preprocess.shard import Shard
from cpabmm_core.errors import DataError, MediaError, OutputExistsError
from cpabmm_core.metrics.extractors import SubjectDetector


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
    with pytest.raises(DataError, match="delete it and run again"):
        make(raw, tmp_path / "set")
