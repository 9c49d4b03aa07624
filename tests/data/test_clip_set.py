from pathlib import Path

import pytest
from _helpers.media_files import numbered_frame, write_test_video

from cpabmm_core.data.clip_set import OnError, open_clips
from cpabmm_core.errors import DataError
from cpabmm_core.media.image import write_image

CHOICES: tuple[OnError, ...] = ("skip", "refuse")


def fill(folder: Path) -> None:
    """Two good clips, and one each of the kinds that cannot be used."""
    for name in ("good1.mp4", "good2.mp4"):
        write_test_video(folder / name)
    (folder / "text.mp4").write_text("no video")
    (folder / "cut.mp4").write_bytes((folder / "good1.mp4").read_bytes()[:-400])
    write_image(folder / "still.png", numbered_frame(0))
    (folder / "one").mkdir()
    write_image(folder / "one" / "0.png", numbered_frame(0))


def test_clips_that_fail_are_named_and_left_out(tmp_path: Path) -> None:
    fill(tmp_path)
    told: list[str] = []
    clips = open_clips(tmp_path, "skip", told.append)
    assert [clip.path.name for clip in clips] == ["good1.mp4", "good2.mp4"]
    assert [len(clip.clip) for clip in clips] == [10, 10]
    for name in ("text.mp4", "cut.mp4", "still.png", "one"):
        assert sum(line.startswith(f"cannot be used: {tmp_path / name}: ") for line in told) == 1
    assert told[-1] == f"{tmp_path}: 4 of 6 clips are left out"
    assert len(told) == 5
    assert not any("\n" in line for line in told)


def test_clips_that_fail_are_refused(tmp_path: Path) -> None:
    fill(tmp_path)
    told: list[str] = []
    with pytest.raises(
        DataError, match=r"4 clips cannot be used, the first is .*cut\.mp4: "
    ) as error:
        open_clips(tmp_path, "refuse", told.append)
    assert "data.on_error=skip" in str(error.value)
    assert "\n" not in str(error.value)
    assert len(told) == 4


def test_the_one_clip_that_fails_is_the_error(tmp_path: Path) -> None:
    write_test_video(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").touch()
    told: list[str] = []
    with pytest.raises(DataError, match=r"b\.mp4: is empty.*data\.on_error=skip") as error:
        open_clips(tmp_path, "refuse", told.append)
    assert str(error.value).startswith(str(tmp_path / "b.mp4"))
    assert told == []


def test_whole_set_passes_in_silence(tmp_path: Path) -> None:
    write_test_video(tmp_path / "a.mp4")
    write_test_video(tmp_path / "b.mp4")
    for on_error in CHOICES:
        told: list[str] = []
        assert len(open_clips(tmp_path, on_error, told.append)) == 2
        assert told == []


@pytest.mark.parametrize("on_error", CHOICES)
def test_nothing_to_read(tmp_path: Path, on_error: OnError) -> None:
    with pytest.raises(DataError, match="no such folder"):
        open_clips(tmp_path / "none", on_error, print)
    with pytest.raises(DataError, match="holds no clip"):
        open_clips(tmp_path, on_error, print)


def test_no_clip_that_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no video")
    (tmp_path / "b.gif").write_text("no video")
    told: list[str] = []
    with pytest.raises(DataError, match=r"none of its 2 clips can be used; .*a\.mp4") as error:
        open_clips(tmp_path, "skip", told.append)
    assert "\n" not in str(error.value)
    assert [str(tmp_path / name) in line for name, line in zip("ab", told, strict=True)]


def test_nothing_is_written_beside_the_clips(tmp_path: Path) -> None:
    fill(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    open_clips(tmp_path, "skip", lambda _: None)
    assert sorted(tmp_path.rglob("*")) == before
