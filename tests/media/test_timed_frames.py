from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from _helpers.media_files import number_of, numbered_frame, write_test_video

from cpabmm_core.errors import DataError, MediaError
from cpabmm_core.media.image import write_image
from cpabmm_core.media.timed_frames import clips_by_name, open_frames


def test_video_keeps_its_timestamps(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "a.mp4", pts=[0, 3, 4, 9], time_base=Fraction(1, 30))
    clip = open_frames(path)
    frames = list(clip)
    assert [number_of(frame.image) for frame in frames] == [0, 1, 2, 3]
    assert [frame.pts * clip.time_base for frame in frames] == [
        Fraction(time, 30) for time in (0, 3, 4, 9)
    ]


def test_folder_has_25_frames_per_second_in_natural_order(tmp_path: Path) -> None:
    count = 18  # more than one batch
    for number in range(count):
        write_image(tmp_path / f"{number}.png", numbered_frame(number))
    clip = open_frames(tmp_path)
    frames = list(clip)
    assert [number_of(frame.image) for frame in frames] == list(range(count))
    assert [frame.pts * clip.time_base for frame in frames] == [
        Fraction(number, 25) for number in range(count)
    ]
    assert clip.frame_rate == 25


def test_strip_is_cut_into_squares(tmp_path: Path) -> None:
    squares = [numbered_frame(number, 64, 64) for number in range(3)]
    write_image(tmp_path / "strip.png", np.concatenate(squares, axis=1))
    frames = list(open_frames(tmp_path / "strip.png"))
    np.testing.assert_array_equal([frame.image for frame in frames], squares)


def test_wrong_paths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such file"):
        open_frames(tmp_path / "nowhere.mp4")
    with pytest.raises(DataError):
        open_frames(tmp_path)


def test_clips_are_mapped_by_their_names_without_suffix(tmp_path: Path) -> None:
    for name in ("10.mp4", "9.gif"):
        (tmp_path / name).touch()
    (tmp_path / "8.a").mkdir()
    (tmp_path / "8.a" / "0.png").touch()
    assert list(clips_by_name(tmp_path)) == ["8.a", "9", "10"]
    assert clips_by_name(tmp_path / "9.gif") == {"9": tmp_path / "9.gif"}


def test_two_clips_of_the_same_name_are_refused(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.gif"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"a\.gif and a\.mp4"):
        clips_by_name(tmp_path)
