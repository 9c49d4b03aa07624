"""Writing clips: names, formats, timestamps and replacement."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from _helpers.raw_videos import ground, with_square

from cpabmm_core.data.preprocess.clip_writer import (
    ClipFormat,
    ClipWriter,
    check_clip_size,
    clip_name,
    clip_path,
    move_into_place,
)
from cpabmm_core.errors import ConfigError, MediaError
from cpabmm_core.media.clips import open_clip
from cpabmm_core.media.video import VideoReader, VideoWriter

FRAMES = [with_square(ground(1, 64, 64), (k, 10), 16) for k in range(6)]


def write(path: Path, file_format: ClipFormat, times: list[int] | None = None) -> Path:
    with ClipWriter(path, 64, file_format, 25, Fraction(1, 50)) as writer:
        for pts, image in zip(times or range(0, 12, 2), FRAMES, strict=True):
            writer.write(image, pts)
    return path


def test_names_and_paths() -> None:
    assert clip_name("id1", "a b", start=7, end=1234567) == "id1#a b#000007#1234567"
    assert clip_path(Path("x"), "a.b#1", "mp4") == Path("x/a.b#1.mp4")
    assert clip_path(Path("x"), "a.b#1", "png") == Path("x/a.b#1")


def test_png_frames_are_lossless(tmp_path: Path) -> None:
    clip = open_clip(write(tmp_path / "clip", "png"))
    assert len(clip) == 6
    np.testing.assert_array_equal(np.stack(clip.read(range(6))), np.stack(FRAMES))
    assert sorted(path.name for path in (tmp_path / "clip").iterdir())[0] == "000000.png"


def test_mp4_clips_have_less_error_than_ordinary_videos(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "usual.mp4", 64, 64, 25, Fraction(1, 25)) as writer:
        for pts, image in enumerate(FRAMES):
            writer.write(image, pts)
    write(tmp_path / "clip.mp4", "mp4")

    def error(name: str) -> float:
        clip = open_clip(tmp_path / name)
        read = np.stack(clip.read(range(len(clip)))).astype(float)
        return float(np.abs(read - np.stack(FRAMES)).mean())

    assert error("clip.mp4") < min(1.5, 0.7 * error("usual.mp4"))


def test_mp4_keeps_times_relative_to_the_first_frame(tmp_path: Path) -> None:
    write(tmp_path / "clip.mp4", "mp4", [100, 103, 104, 110, 111, 120])
    with VideoReader(tmp_path / "clip.mp4") as reader:
        times = [frame.pts * reader.time_base for frame in reader]
    assert times == [Fraction(pts, 50) for pts in (0, 3, 4, 10, 11, 20)]


@pytest.mark.parametrize("file_format", ["mp4", "png"])
def test_a_finished_clip_replaces_an_existing_one(tmp_path: Path, file_format: ClipFormat) -> None:
    (tmp_path / "old").mkdir()
    old = write(clip_path(tmp_path / "old", "clip", file_format), file_format)
    if old.is_dir():
        (old / "999999.png").touch()
    new = write(clip_path(tmp_path, "clip", file_format), file_format)
    move_into_place(new, old)
    assert not new.exists()
    assert len(open_clip(old)) == 6
    with pytest.raises(MediaError, match="cannot be written"):
        move_into_place(new, old)


def test_odd_sizes_need_png() -> None:
    check_clip_size(64, "mp4")
    check_clip_size(65, "png")
    with pytest.raises(ConfigError, match="an even number"):
        check_clip_size(65, "mp4")
