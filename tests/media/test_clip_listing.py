import os
import sys
import time
from pathlib import Path

import pytest
from _helpers.odd_files import folders as odd

from cpabmm_core.errors import DataError
from cpabmm_core.media.clip_listing import list_clips
from cpabmm_core.media.clips import open_clip
from cpabmm_core.media.suffixes import (
    COMPANION_SUFFIXES,
    IMAGE_OUTPUT_SUFFIXES,
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
)
from cpabmm_core.media.timed_frames import clips_by_name

needs_pipes = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("listing") / "mixed"
    odd.make_mixed_folder(path)
    return path


@needs_pipes
def test_every_clip_of_a_mixed_folder_counts_and_opens(mixed: Path) -> None:
    clips = list_clips(mixed)
    assert {clip.name for clip in clips} == {*odd.CLIPS}
    for clip in clips:
        assert len(open_clip(clip)) == odd.FRAMES, clip


@needs_pipes
def test_the_rest_is_named_once_on_one_line(mixed: Path) -> None:
    lines: list[str] = []
    list_clips(mixed, lines.append)
    names = ", ".join(odd.PASSED_OVER)
    assert lines == [f"{mixed}: passed over 5 entries that are no clips: {names}"]
    lines.clear()
    assert len(clips_by_name(mixed, lines.append)) == len(odd.CLIPS)
    assert len(lines) == 1


def test_a_folder_of_clips_and_companions_is_listed_in_silence(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.JSON", "a.npz", "a.mp3", "a.txt", "desktop.ini", ".a.xyz"):
        (tmp_path / name).touch()
    list_clips(tmp_path, pytest.fail)


def test_many_names_are_cut(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}.xyz").touch()
    (tmp_path / "a.mp4").touch()
    lines: list[str] = []
    list_clips(tmp_path, lines.append)
    assert lines == [
        f"{tmp_path}: passed over 30 entries that are no clips: "
        "0.xyz, 1.xyz, 2.xyz, 3.xyz, 4.xyz and 25 more"
    ]


def test_a_folder_without_clips_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").touch()
    (tmp_path / "a.csv").touch()
    with pytest.raises(DataError, match=r"holds no clip, only a\.csv, a\.xyz; put videos"):
        list_clips(tmp_path, pytest.fail)


@needs_pipes
def test_pipes_and_broken_links_neither_block_nor_vanish(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    odd.make_folder_with_pipe(folder)
    (folder / "gone.mp4").symlink_to(folder / "nowhere")
    lines: list[str] = []
    names = [path.name for path in list_clips(folder, lines.append)]
    assert names == ["a.mp4", "gone.mp4", "pipe.mp4"]
    assert lines[0].endswith("passed over 1 entry that is no clip: pipe")
    with pytest.raises(DataError, match=r"pipe\.mp4: is not a regular file"):
        open_clip(folder / "pipe.mp4")
    with pytest.raises(DataError, match=r"gone\.mp4: no such file"):
        open_clip(folder / "gone.mp4")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_no_text_are_listed_and_shown_on_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    odd.make_folder_of_bytes(folder)
    lines: list[str] = []
    found = list_clips(folder, lines.append)
    assert [os.fsencode(path.name) for path in found] == [b"a\xff#1.mp4", b"b\xe5\n.mp4"]
    assert lines[0].endswith(r": c\udcff.xyz")
    assert [len(open_clip(path)) for path in found] == [odd.FRAMES] * 2


@needs_pipes
def test_links_to_clips_and_folders_count(tmp_path: Path, mixed: Path) -> None:
    (tmp_path / "x.mp4").symlink_to(mixed / "a.mp4")
    (tmp_path / "y").symlink_to(mixed / "l", target_is_directory=True)
    (tmp_path / "z").symlink_to(mixed / "no-suffix")
    assert [path.name for path in list_clips(tmp_path, pytest.fail)] == ["x.mp4", "y", "z"]


def test_a_folder_that_cannot_be_listed_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a").mkdir()
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DataError, match=r"cannot be listed \(Permission denied\); check it"):
        list_clips(tmp_path)
    with pytest.raises(DataError, match=r"a: cannot be listed \(Permission denied\); check it"):
        open_clip(tmp_path / "a")


def test_ten_thousand_files_are_listed_quickly(tmp_path: Path) -> None:
    for number in range(10_000):
        (tmp_path / f"{number}.mp4").touch()
        (tmp_path / f"{number}.xyz").touch()
    start = time.perf_counter()
    assert len(list_clips(tmp_path, lambda _: None)) == 10_000
    assert time.perf_counter() - start < 5  # 0.3 s on two cores; opening each would take minutes


def test_suffixes_are_lower_case_and_in_one_list_each() -> None:
    everything = (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES, *COMPANION_SUFFIXES)
    assert len({*everything}) == len(everything)
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in everything)
    assert {*IMAGE_OUTPUT_SUFFIXES} < {*IMAGE_SUFFIXES}
