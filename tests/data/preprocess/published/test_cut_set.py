"""Cutting published data sets: frames, boxes, damage, resuming, shards and locks."""

import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _helpers.media_files import number_of, write_test_video

from cpabmm_core.data.preprocess.boxes import Box
from cpabmm_core.data.preprocess.clip_writer import ClipFormat
from cpabmm_core.data.preprocess.published.cut_set import CutSummary, cut_set
from cpabmm_core.data.preprocess.published.find_videos import Fetch
from cpabmm_core.data.preprocess.published.table import TableRow
from cpabmm_core.data.preprocess.shard import Shard
from cpabmm_core.errors import ConfigError, DataError, MediaError, OutputExistsError
from cpabmm_core.media.clips import open_clip
from cpabmm_core.media.video import VideoFrame, VideoReader

WHOLE = Box(0, 0, 64, 48)


def row(
    video: str, start: int, end: int, *, rate: str = "25", box: Box = WHOLE, name: str = ""
) -> TableRow:
    name = name or f"{video}#{start:06d}#{end:06d}"
    return TableRow(2, video, name, "train", start, end, Fraction(rate), box, 64, 48)


def cut(
    rows: Sequence[TableRow],
    folder: Path,
    *,
    size: int = 64,
    file_format: ClipFormat = "mp4",
    shard: Shard | None = None,
    fetch: Fetch | None = None,
    reports: list[str] | None = None,
) -> CutSummary:
    """Cut clips out of the videos in ``folder/videos`` into ``folder/set``."""
    return cut_set(
        rows,
        folder / "videos",
        folder / "set",
        size=size,
        file_format=file_format,
        shard=shard,
        fetch=fetch,
        report=lambda problem: None if reports is None else reports.append(str(problem)),
    )


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    return folder


def numbers(clip: Path) -> list[int]:
    opened = open_clip(clip)
    return [number_of(image) for image in opened.read(range(len(opened)))]


def records(folder: Path, name: str = "manifest") -> list[dict[str, Any]]:
    lines = (folder / "set" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    ("rate", "fps", "start", "end", "first", "last"),
    [
        (25, "25", 10, 20, 10, 19),
        (25, "29.97", 12, 36, 11, 30),  # from 10.01 to 30.03, which are 12 and 36 times 25 / 29.97
        (Fraction(30000, 1001), "29.97", 12, 36, 12, 35),
        (30, "29.97", 12, 36, 13, 36),  # from 12.01 to 36.04
        (50, "25", 10, 20, 20, 39),
    ],
)
def test_a_clip_has_exactly_the_frames_of_its_row(
    tmp_path: Path,
    videos: Path,
    rate: Fraction | int,
    fps: str,
    start: int,
    end: int,
    first: int,
    last: int,
) -> None:
    write_test_video(videos / "A.mp4", frames=50, rate=rate)
    assert cut([row("A", start, end, rate=fps)], tmp_path) == CutSummary(made=1)
    clip = tmp_path / "set" / "train" / f"A#{start:06d}#{end:06d}.mp4"
    assert numbers(clip) == list(range(first, last + 1))
    (record,) = records(tmp_path)
    assert record["frames"] == [first, last + 1]
    assert record["written"] == last + 1 - first
    assert record["reason"] is None


def test_clips_of_a_video_may_overlap_in_any_order(tmp_path: Path, videos: Path) -> None:
    write_test_video(videos / "A.mp4", frames=40)
    ranges = [(30, 40), (0, 12), (5, 30), (12, 13), (5, 6)]
    assert cut([row("A", *each) for each in ranges], tmp_path).made == 5
    for start, end in ranges:
        clip = tmp_path / "set" / "train" / f"A#{start:06d}#{end:06d}.mp4"
        assert numbers(clip) == list(range(start, end))


def test_the_box_is_scaled_to_a_smaller_video(tmp_path: Path, videos: Path) -> None:
    """The box selects one column of the test frame: 8 pixels wide, 4 in the smaller video."""
    write_test_video(videos / "A.mp4", frames=256, size=(64, 48))
    write_test_video(videos / "B.mp4", frames=256, size=(32, 24))
    box = Box(16, 12, 24, 36)  # column 2 in the middle half, between red and blue
    rows = [replace(row(name, 0, 256, box=box)) for name in "AB"]
    assert cut(rows, tmp_path, file_format="png", size=16).made == 2
    assert [record["box"] for record in records(tmp_path)] == [[16, 12, 24, 36], [8, 6, 12, 18]]
    for name in "AB":
        clip = open_clip(tmp_path / "set" / "train" / f"{name}#000000#000256")
        means = [image[:, 4:12].mean() for image in clip.read(range(256))]
        assert [mean > 127 for mean in means] == [bool(n & 0b00100000) for n in range(256)]


def test_a_box_that_is_not_square_is_distorted(tmp_path: Path, videos: Path) -> None:
    write_test_video(videos / "A.mp4", frames=2, size=(64, 48))
    cut([row("A", 0, 2)], tmp_path, file_format="png")
    image = open_clip(tmp_path / "set" / "train" / "A#000000#000002").read([1])[0]
    assert image.shape == (64, 64, 3)
    assert number_of(image) == 1
    red = np.abs(image[:15].astype(int) - (220, 30, 30)).max()
    blue = np.abs(image[49:].astype(int) - (30, 30, 220)).max()
    assert max(red, blue) < 40  # each covers a quarter of the height, as in the frame


def test_clips_keep_the_times_of_the_video(tmp_path: Path, videos: Path) -> None:
    from _helpers.media_files import decoded_frames

    write_test_video(videos / "A.mp4", frames=20, rate=Fraction(30000, 1001))
    cut([row("A", 5, 9, rate="29.97")], tmp_path)
    times = decoded_frames(tmp_path / "set" / "train" / "A#000005#000009.mp4")
    assert times == [(k * Fraction(1001, 30000), 5 + k) for k in range(4)]


def test_names_may_contain_any_letters(tmp_path: Path) -> None:
    folder = tmp_path / "données 数据"
    (folder / "videos").mkdir(parents=True)
    write_test_video(folder / "videos" / "vidéo 1.mp4", frames=5)
    assert cut([row("vidéo 1", 1, 4, name="é#vidéo 1#000001#000004")], folder).is_whole
    assert numbers(folder / "set" / "train" / "é#vidéo 1#000001#000004.mp4") == [1, 2, 3]
    assert records(folder)[0]["clip"] == "train/é#vidéo 1#000001#000004"


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


def test_missing_videos_are_reported_and_the_others_cut(tmp_path: Path, videos: Path) -> None:
    write_test_video(videos / "A.mp4", frames=5)
    rows = [row("A", 0, 5), *(row(f"M{k}", 0, 5) for k in range(7)), row("M0", 5, 6)]
    reports: list[str] = []
    assert cut(rows, tmp_path, reports=reports) == CutSummary(made=1, left_out=8)
    assert reports == [
        f"{videos}: 7 of 8 videos are missing: M0, M1, M2, M3, M4 and 2 more; "
        "add them as VIDEO_ID.mp4, or pass fetch"
    ]
    assert [record["reason"] for record in records(tmp_path)] == [
        None,
        *["its video is missing"] * 8,
    ]
    write_test_video(videos / "M0.mkv", frames=6)
    assert cut(rows, tmp_path) == CutSummary(made=2, kept=1, left_out=6)


def test_rows_beyond_the_end_give_short_or_no_clips(tmp_path: Path, videos: Path) -> None:
    write_test_video(videos / "A.mp4", frames=10)
    rows = [row("A", 5, 15), row("A", 10, 12), row("A", 11, 13), row("A", 0, 10)]
    reports: list[str] = []
    assert cut(rows, tmp_path, reports=reports) == CutSummary(made=1, short=1, left_out=2)
    train = tmp_path / "set" / "train"
    assert reports == [
        f"{train}/A#000005#000015: the video ends after 10 frames; 5 of 10 are missing",
        f"{train}/A#000010#000012 and 1 more of A.mp4: "
        "the video ends after 10 frames; 2 of 2 are missing",
    ]
    assert numbers(train / "A#000005#000015.mp4") == list(range(5, 10))
    assert not (train / "A#000010#000012.mp4").exists()


def test_clips_before_damage_are_cut(tmp_path: Path, videos: Path) -> None:
    path = write_test_video(videos / "A.mp4", frames=60, options={"g": "10"})
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 400] = bytes(400)
    path.write_bytes(bytes(data))
    readable: list[VideoFrame] = []
    with VideoReader(path) as reader, pytest.raises(MediaError):
        readable.extend(reader)
    good = len(readable)
    assert 5 < good < 55
    rows = [row("A", 0, good), row("A", good - 2, good + 2), row("A", good + 2, 60)]
    reports: list[str] = []
    assert cut(rows, tmp_path, reports=reports) == CutSummary(made=1, left_out=2)
    assert [path.name for path in (tmp_path / "set" / "train").iterdir()] == [f"{rows[0].name}.mp4"]
    assert numbers(tmp_path / "set" / "train" / f"{rows[0].name}.mp4") == list(range(good))
    (line,) = reports
    assert "and 1 more of A.mp4" in line
    assert f"{path}: damaged after {good} frames" in line


def test_a_file_that_is_not_a_video_is_reported(tmp_path: Path, videos: Path) -> None:
    (videos / "A.mp4").write_text("<html>not available</html>")
    write_test_video(videos / "B.mp4", frames=3)
    reports: list[str] = []
    assert cut([row("A", 0, 3), row("B", 0, 3)], tmp_path, reports=reports) == CutSummary(
        made=1, left_out=1
    )
    (line,) = reports
    assert f"{videos / 'A.mp4'}: not a video" in line


def test_empty_boxes_and_ranges_give_no_clip(tmp_path: Path, videos: Path) -> None:
    write_test_video(videos / "A.mp4", frames=5, size=(32, 24), rate=5)
    rows = [
        row("A", 0, 25, box=Box(20, 20, 21, 40)),
        row("A", 0, 24, box=Box(64, 0, 70, 40)),
        row("A", 1, 2),
    ]
    assert cut(rows, tmp_path) == CutSummary(left_out=3)
    empty = "its box is empty in a video of 32 x 24"
    assert [record["reason"] for record in records(tmp_path)] == [
        empty,
        empty,
        "it contains no frame at 5 frames per second",
    ]


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
