"""Whatever the library raises while a file is read is the one-line error of that file."""

import errno
import re
import struct
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from _helpers.faulty_library import break_library
from _helpers.media_files import number_of, write_test_video
from _helpers.odd_files.opening import make_unreadable_metadata

from cpabmm_core.errors import MediaError
from cpabmm_core.media import read_source
from cpabmm_core.media.lossless import is_lossless
from cpabmm_core.media.video import FrameIndex, VideoReader
from cpabmm_core.media.video.library_calls import UnnamedError, library_calls
from cpabmm_core.media.video.opening import open_input

ERRORS: list[Exception] = [
    RuntimeError("broken"),
    ValueError("31 is not a valid Type"),
    KeyError("key"),
    IndexError("list index out of range"),
    AssertionError(),
    AttributeError("no attribute"),
    TypeError("wrong type"),
    RecursionError("too deep"),
    OverflowError("too large\nand on two lines"),
    ZeroDivisionError("division by zero"),
    struct.error("unpack requires a buffer"),
    UnicodeDecodeError("utf-8", b"\xff" * 9999, 0, 1, "invalid start byte"),
    OSError(errno.EIO, "Input/output error"),
    av.error.InvalidDataError(1, "Invalid data found"),
    av.error.MemoryError(12, "Cannot allocate memory"),
]
STAGES = [
    "open",
    "streams",
    "disposition",
    "demux",
    "decode",
    "format",
    "to_ndarray",
    "side_data",
    "average_rate",
]


def read_all(path: Path) -> None:
    with VideoReader(path) as reader:
        assert len(list(reader)) == 3


def index_all(path: Path) -> None:
    FrameIndex(path).read([2, 0])


READERS: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "VideoReader": (read_all, STAGES),
    "FrameIndex": (index_all, [*(s for s in STAGES if s != "average_rate"), "seek"]),
    "read_source": (read_source, STAGES),
    "is_lossless": (is_lossless, ["open", "streams", "disposition"]),
}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("name", READERS)
def test_any_error_is_one_line_about_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: Exception
) -> None:
    path = write_test_video(tmp_path / "clip.mp4", frames=3)
    reader, stages = READERS[name]
    reader(path)
    for stage in stages:
        repair = break_library(monkeypatch, stage, error)
        with pytest.raises(MediaError) as caught:
            reader(path)
        repair()
        message = str(caught.value)
        assert message.startswith(f"{path}: "), (stage, message)
        assert re.search("; (fetch|convert|give|check) ", message), (stage, message)
        assert "\n" not in message
        assert len(message) < len(str(path)) + 350


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt()])
@pytest.mark.parametrize("stage", STAGES)
def test_memory_and_interrupts_are_not_about_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, error: BaseException
) -> None:
    path = write_test_video(tmp_path / "clip.mp4", frames=3)
    break_library(monkeypatch, stage, error)
    with pytest.raises(type(error)):
        read_all(path)


def test_errors_of_the_caller_are_unchanged(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "clip.mp4", frames=3)
    with pytest.raises(RuntimeError, match="mine"), open_input(path):
        raise RuntimeError("mine")
    with pytest.raises(ZeroDivisionError):
        sum(1 // frame.pts for frame in VideoReader(path))
    with pytest.raises(OSError, match="disk"), open_input(path):
        raise OSError("disk")


def test_the_cause_is_kept_for_reports() -> None:
    cause = KeyError("key")
    with pytest.raises(UnnamedError, match="KeyError: 'key'") as caught, library_calls():
        raise cause
    assert caught.value.__cause__ is cause


def test_trouble_of_the_disk_is_not_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_test_video(tmp_path / "clip.mp4", frames=3)
    break_library(monkeypatch, "decode", OSError(errno.EIO, "Input/output error"))
    expected = r"clip\.mp4: cannot be read \(Input/output error\); check the disk or the connection"
    with pytest.raises(MediaError, match=expected):
        VideoReader(path)


def test_metadata_that_is_not_text_does_not_matter(tmp_path: Path) -> None:
    make_unreadable_metadata(tmp_path / "a.mkv")
    assert [number_of(frame.image) for frame in VideoReader(tmp_path / "a.mkv")] == [0, 1, 2]
    assert len(FrameIndex(tmp_path / "a.mkv")) == 3
