"""Cutting published data sets: resuming, shards, locks, and missing videos."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from _helpers.cut_sets import cut, records, row
from _helpers.media_files import write_test_video

from cpabmm_core.data.preprocess.boxes import Box
from cpabmm_core.data.preprocess.published.cut_set import CutSummary, cut_set
from cpabmm_core.data.preprocess.shard import Shard
from cpabmm_core.errors import ConfigError, DataError, OutputExistsError


def test_complete_clips_are_not_cut_again(tmp_path: Path, videos: Path) -> None:
    write_test_video(videos / "A.mp4", frames=10)
    rows = [row("A", 0, 5), row("A", 5, 10)]
    cut(rows[:1], tmp_path)
    first = tmp_path / "set" / "train" / "A#000000#000005.mp4"
    stamp = first.stat().st_mtime_ns
    assert cut(rows, tmp_path) == CutSummary(made=1, kept=1)
    assert first.stat().st_mtime_ns == stamp
    (videos / "A.mp4").unlink()  # the video is no longer needed, so it is not reported as missing
    reports: list[str] = []
    assert cut(rows, tmp_path, reports=reports) == CutSummary(kept=2)
    assert reports == []
    write_test_video(videos / "A.mp4", frames=10)
    first.unlink()
    assert cut(rows, tmp_path) == CutSummary(made=1, kept=1)
    other_box = [replace(rows[0], box=Box(0, 0, 32, 48)), rows[1]]
    assert cut(other_box, tmp_path) == CutSummary(made=1, kept=1)


def test_a_truncated_manifest_is_completed(tmp_path: Path, videos: Path) -> None:
    write_test_video(videos / "A.mp4", frames=10)
    rows = [row("A", 0, 5), row("A", 5, 10)]
    cut(rows, tmp_path)
    manifest = tmp_path / "set" / "manifest.jsonl"
    whole = manifest.read_bytes()
    manifest.write_bytes(whole[:-20])
    assert cut(rows, tmp_path) == CutSummary(made=1, kept=1)
    assert manifest.read_bytes() == whole


def test_shards_divide_the_videos_and_their_manifests_merge(tmp_path: Path, videos: Path) -> None:
    names = [f"V{k}" for k in range(8)]
    rows = [row(name, start, start + 3) for name in names for start in (0, 3)]
    for name in names:
        write_test_video(videos / f"{name}.mp4", frames=6)
    made = [cut(rows, tmp_path, shard=Shard(k, 3)).made for k in (1, 2, 3)]
    assert sum(made) == 16
    assert all(count % 2 == 0 for count in made)
    parts = [records(tmp_path, f"manifest-{k}-of-3") for k in (1, 2, 3)]
    assert sorted(r["clip"] for part in parts for r in part) == sorted(
        f"train/{each.name}" for each in rows
    )
    for name in names:
        assert [f"{name}.mp4" in {r["source"] for r in part} for part in parts].count(True) == 1
    assert cut(rows, tmp_path) == CutSummary(kept=16)
    assert [r["clip"] for r in records(tmp_path)] == [f"train/{each.name}" for each in rows]


def test_an_unrelated_folder_is_not_touched(tmp_path: Path, videos: Path) -> None:
    write_test_video(videos / "A.mp4", frames=5)
    (tmp_path / "set").mkdir()
    mine = tmp_path / "set" / "mine.txt"
    mine.touch()
    with pytest.raises(OutputExistsError, match=r"is not empty.*choose another folder"):
        cut([row("A", 0, 5)], tmp_path)
    assert list((tmp_path / "set").iterdir()) == [mine]
    mine.unlink()
    cut([row("A", 0, 5)], tmp_path)
    with pytest.raises(OutputExistsError, match="contains clips of size 64 as mp4"):
        cut([row("A", 0, 5)], tmp_path, size=32)


def test_invalid_requests_fail_before_any_work(tmp_path: Path, videos: Path) -> None:
    with pytest.raises(ConfigError, match="an even number"):
        cut([row("A", 0, 5)], tmp_path, size=63)
    videos.rmdir()
    with pytest.raises(DataError, match="no such folder"):
        cut([row("A", 0, 5)], tmp_path)
    assert not (tmp_path / "set").exists()


def test_missing_videos_are_fetched(tmp_path: Path, videos: Path) -> None:
    write_test_video(videos / "A.mp4", frames=5)
    asked: list[list[str]] = []

    def fetch(names: Sequence[str]) -> None:
        asked.append(list(names))
        write_test_video(videos / "B.mp4", frames=5)

    rows = [row(name, 0, 5) for name in "ABC"]
    reports: list[str] = []
    summary = cut(rows, tmp_path, fetch=fetch, reports=reports)
    assert summary == CutSummary(made=2, left_out=1)
    assert asked == [["B", "C"]]
    assert "1 of 3 videos are missing: C;" in reports[0]


def test_a_second_run_of_a_shard_is_refused(tmp_path: Path, videos: Path) -> None:
    def second_run(names: Sequence[str]) -> None:
        with pytest.raises(OutputExistsError, match="another run is writing there"):
            cut([row("A", 0, 5)], tmp_path)
        write_test_video(videos / "A.mp4", frames=5)

    assert cut([row("A", 0, 5)], tmp_path, fetch=second_run) == CutSummary(made=1)
    assert cut([row("A", 0, 5)], tmp_path) == CutSummary(kept=1)


def test_several_processes_write_the_same_files_as_one(tmp_path: Path, videos: Path) -> None:
    rows = []
    for name in "ABC":
        write_test_video(videos / f"{name}.mp4", frames=12)
        rows += [row(name, 0, 6), row(name, 4, 20)]
    one = cut(rows, tmp_path)
    alone = (tmp_path / "set" / "manifest.jsonl").read_bytes()
    several = cut_set(rows, videos, tmp_path / "set2", size=64, workers=2, report=lambda _: None)
    assert one == several == CutSummary(made=3, short=3)
    assert (tmp_path / "set2" / "manifest.jsonl").read_bytes() == alone
    for path in (tmp_path / "set").rglob("*.mp4"):
        twin = tmp_path / "set2" / path.relative_to(tmp_path / "set")
        assert twin.read_bytes() == path.read_bytes()
