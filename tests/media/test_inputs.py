import io
import os
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
from _helpers.media_files import number_of, numbered_frame, write_test_video
from PIL import Image

from cpabmm_core.errors import CpabmmError, DataError, MediaError
from cpabmm_core.media import open_driving, open_source, write_image

ODD_NAMES = (
    *(
        "with space",
        "quo'te",
        'quo"te',
        "$(touch hacked)",
        "`id`",
        "[a-z]*?",
        "ünïcödé 日本",
        "a;b|c",
    ),
    *("-dash", "--help", "-", "camera:0", "%d", "http:", "file:x", "a:b", "tab\there"),
    "new\nline",
)


def numbers(name: str | Path, **options: Any) -> list[int]:  # noqa: ANN401
    with open_driving(name, **options) as frames:
        return [number_of(frame.image) for frame in frames]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_of_a_file_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A file that is called like standard input or a camera is reached by a path."""
    monkeypatch.chdir(tmp_path)
    write_test_video(tmp_path / "a.mkv", frames=3).rename(tmp_path / name)
    assert numbers(f"./{name}") == [0, 1, 2]
    with open_source(f"./{name}") as source:
        assert source.is_moving
    if name not in ("-", "camera:0"):
        assert numbers(name) == [0, 1, 2]
    assert not (tmp_path / "hacked").exists()


def test_still_picture_is_one_frame(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.webp", "a.bmp"):
        write_image(tmp_path / name, numbered_frame(5))
        assert numbers(tmp_path / name) == [5]


def test_folder_of_frames_comes_in_natural_order(tmp_path: Path) -> None:
    for number in (1, 2, 9, 10, 100):
        write_image(tmp_path / f"frame{number}.png", numbered_frame(number))
    (tmp_path / "notes.txt").touch()
    (tmp_path / ".hidden.png").touch()
    with open_driving(tmp_path) as frames:
        assert [number_of(frame.image) for frame in frames] == [1, 2, 9, 10, 100]
        assert (frames.width, frames.height) == (64, 48)
        assert frames.frame_rate == 25
        assert [frame.pts for frame in frames] == list(range(5))  # it can be read again
        assert frames.path == tmp_path
        assert not frames.has_audio


def test_folder_with_another_size_is_told_at_that_frame(tmp_path: Path) -> None:
    for number in range(20):
        side = 48 if number < 17 else 32
        write_image(tmp_path / f"{number}.png", numbered_frame(number, 64, side))
    found: list[int] = []
    with (
        open_driving(tmp_path) as frames,
        pytest.raises(DataError, match="frame 17 has 64 x 32 pixels, and the first one 64 x 48; "),
    ):
        found.extend(number_of(frame.image) for frame in frames)
    assert found == list(range(17))


def test_pages_are_frames(tmp_path: Path) -> None:
    pages = np.stack([numbered_frame(number) for number in (4, 5, 6)])
    tifffile.imwrite(tmp_path / "a.tiff", pages, photometric="rgb")
    assert numbers(tmp_path / "a.tiff") == [4, 5, 6]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.mp4", "no such file"),
        ("empty", "contains no frame"),
        ("zero.mp4", "is empty"),
        ("text.mp4", "is a text file"),
        ("device", "not a regular file"),
        ("nul\0.mp4", ""),
        ("long" * 100, ""),
    ],
)
def test_wrong_path_is_told_in_one_line(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "zero.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video\n" * 100)
    (tmp_path / "device").symlink_to("/dev/null")
    for opens in (open_driving, open_source):
        with pytest.raises(CpabmmError) as got:
            opens(tmp_path / name)
        assert words in str(got.value)
        assert "\n" not in str(got.value)


def test_named_pipe_is_read_as_it_comes(tmp_path: Path) -> None:
    """So `<(ffmpeg ...)` of a shell works as well."""
    data = write_test_video(tmp_path / "a.mkv", frames=5).read_bytes()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(data), daemon=True)
    writer.start()
    assert numbers(pipe) == [0, 1, 2, 3, 4]
    writer.join(10)
    assert not writer.is_alive()


def test_standard_input_of_the_process_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_test_video(tmp_path / "a.mkv", frames=5).read_bytes()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    assert numbers("-") == [0, 1, 2, 3, 4]
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(MediaError, match="is closed"):
        open_driving("-")


def test_stream_can_be_read_once(tmp_path: Path) -> None:
    data = write_test_video(tmp_path / "a.mkv", frames=5).read_bytes()
    with open_driving("-", stdin=io.BytesIO(data)) as frames:
        assert frames.path is None
        assert sum(1 for _ in frames) == 5
        with pytest.raises(MediaError, match=r"^standard input: can be read only once; give "):
            iter(frames)


@pytest.mark.parametrize("kind", ["video", "folder", "strip", "stdin"])
def test_stop_ends_every_kind_in_order(tmp_path: Path, kind: str) -> None:
    path = write_test_video(tmp_path / "a.mkv", frames=5)
    if kind == "folder":
        path = tmp_path / "folder"
        path.mkdir()
        for number in range(5):
            write_image(path / f"{number}.png", numbered_frame(number))
    if kind == "strip":
        path = tmp_path / "strip.png"
        squares = [numbered_frame(number, 64, 64) for number in range(8)]
        Image.fromarray(np.concatenate(squares, axis=1)).save(path)
    stdin = io.BytesIO(path.read_bytes()) if kind == "stdin" else None
    with open_driving("-" if kind == "stdin" else path, stdin=stdin) as frames:
        iteration = iter(frames)
        next(iteration)
        frames.stop()
        assert len(list(iteration)) <= (1 if kind != "stdin" else 4)


def test_leaving_in_the_middle_closes_the_file(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "a.mkv", frames=20)
    opened = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    for _ in range(5):
        with open_driving(path) as frames, open_source(path) as source:
            next(iter(frames))
            source.frame_at(0.1)
        with open_driving("-", stdin=io.BytesIO(path.read_bytes())) as frames:
            next(iter(frames))
    if sys.platform == "linux":
        assert len(os.listdir("/proc/self/fd")) <= opened + 1
