"""Opening clips: unusable ones are skipped with a message, or refused."""

from pathlib import Path

import pytest
from _helpers.media_files import numbered_frame, write_test_video

from cpabmm_core.data.clip_set import OnError, open_clips
from cpabmm_core.errors import DataError
from cpabmm_core.media.image import write_image

CHOICES: tuple[OnError, ...] = ("skip", "refuse")


def fill(folder: Path) -> None:
    """Write two good clips and one unusable clip of each kind."""
    for name in ("good1.mp4", "good2.mp4"):
        write_test_video(folder / name)
    (folder / "text.mp4").write_text("no video")
    (folder / "cut.mp4").write_bytes((folder / "good1.mp4").read_bytes()[:-400])
    write_image(folder / "still.png", numbered_frame(0))
    (folder / "one").mkdir()
    write_image(folder / "one" / "0.png", numbered_frame(0))


def test_unusable_clips_are_named_and_skipped(tmp_path: Path) -> None:
    fill(tmp_path)
    messages: list[str] = []
    clips = open_clips(tmp_path, "skip", messages.append)
    assert [clip.path.name for clip in clips] == ["good1.mp4", "good2.mp4"]
    assert [len(clip.clip) for clip in clips] == [10, 10]
    for name in ("text.mp4", "cut.mp4", "still.png", "one"):
        assert sum(line.startswith(f"unusable clip: {tmp_path / name}: ") for line in messages) == 1
    assert messages[-1] == f"{tmp_path}: skipping 4 of 6 clips"
    assert len(messages) == 5
    assert not any("\n" in line for line in messages)


def test_unusable_clips_are_refused(tmp_path: Path) -> None:
    fill(tmp_path)
    messages: list[str] = []
    with pytest.raises(DataError, match=r"4 clips are unusable, first .*cut\.mp4: ") as error:
        open_clips(tmp_path, "refuse", messages.append)
    assert "data.on_error=skip" in str(error.value)
    assert "\n" not in str(error.value)
    assert len(messages) == 4


def test_the_only_unusable_clip_is_the_error(tmp_path: Path) -> None:
    write_test_video(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").touch()
    messages: list[str] = []
    with pytest.raises(DataError, match=r"b\.mp4: is empty.*data\.on_error=skip") as error:
        open_clips(tmp_path, "refuse", messages.append)
    assert str(error.value).startswith(str(tmp_path / "b.mp4"))
    assert messages == []


def test_usable_clips_cause_no_message(tmp_path: Path) -> None:
    write_test_video(tmp_path / "a.mp4")
    write_test_video(tmp_path / "b.mp4")
    for on_error in CHOICES:
        messages: list[str] = []
        assert len(open_clips(tmp_path, on_error, messages.append)) == 2
        assert messages == []


@pytest.mark.parametrize("on_error", CHOICES)
def test_a_missing_or_empty_folder_is_an_error(tmp_path: Path, on_error: OnError) -> None:
    with pytest.raises(DataError, match="no such folder"):
        open_clips(tmp_path / "none", on_error, print)
    with pytest.raises(DataError, match="holds no clip"):
        open_clips(tmp_path, on_error, print)


def test_a_folder_without_usable_clip_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no video")
    (tmp_path / "b.gif").write_text("no video")
    messages: list[str] = []
    with pytest.raises(DataError, match=r"none of its 2 clips is usable; .*a\.mp4") as error:
        open_clips(tmp_path, "skip", messages.append)
    assert "\n" not in str(error.value)
    assert [str(tmp_path / name) in line for name, line in zip("ab", messages, strict=True)]


def test_no_file_is_written_next_to_the_clips(tmp_path: Path) -> None:
    fill(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    open_clips(tmp_path, "skip", lambda _: None)
    assert sorted(tmp_path.rglob("*")) == before
