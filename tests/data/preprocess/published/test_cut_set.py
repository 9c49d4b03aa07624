"""Cutting published data sets: frames, boxes, and damage."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from _helpers.cut_sets import cut, numbers, records, row
from _helpers.media_files import number_of, write_test_video

from cpabmm_core.data.preprocess.boxes import Box
from cpabmm_core.data.preprocess.published.cut_set import CutSummary
from cpabmm_core.errors import MediaError
from cpabmm_core.media.clips import open_clip
from cpabmm_core.media.video import VideoFrame, VideoReader


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
    assert cut([row("vidéo 1", 1, 4, name="é#vidéo 1#000001#000004")], folder).is_complete
    assert numbers(folder / "set" / "train" / "é#vidéo 1#000001#000004.mp4") == [1, 2, 3]
    assert records(folder)[0]["clip"] == "train/é#vidéo 1#000001#000004"


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
    assert f"{videos / 'A.mp4'}: is a web page" in line


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
