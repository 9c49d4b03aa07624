"""A pipe that ends too early, or holds no video: one line, after the frames so far."""

import io
import os
import pty
import random
from pathlib import Path
from typing import Any

import pytest
from _helpers.media_files import number_of, write_test_video
from _helpers.pipes import in_pieces, piped

from cpabmm_core.errors import InputLost, MediaError
from cpabmm_core.media import VideoReader, open_driving

CUT: dict[str, dict[str, Any]] = {
    "a.mkv": {"options": {"g": "5"}},
    "a.webm": {"codec": "libvpx-vp9"},
    "a.avi": {"codec": "mpeg4"},
    "a.flv": {"options": {"bf": "0"}},
    "a.ivf": {"codec": "libvpx-vp9"},
    "a.y4m": {"codec": "wrapped_avframe", "container_format": "yuv4mpegpipe"},
    "a.mjpeg": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "a.gif": {"codec": "gif", "pixels": "rgb8"},
}


@pytest.mark.parametrize("name", CUT)
def test_frames_so_far_come_before_the_error(tmp_path: Path, name: str) -> None:
    path = write_test_video(tmp_path / name, frames=30, **CUT[name])
    data = path.read_bytes()
    data = data[: len(data) * 4 // 5]
    found: list[int] = []
    with (
        piped(in_pieces(data)) as (stream, _),
        open_driving("-", stdin=stream) as frames,
        pytest.raises(
            InputLost, match=r"^standard input: ends too early, after \d+ frames; "
        ) as got,
    ):
        found.extend(number_of(frame.image) for frame in frames)
    assert f"after {len(found)} frames" in str(got.value)
    assert "\n" not in str(got.value)
    assert 10 <= len(found) < 30
    if name != "a.gif":  # its few colours hide the numbers
        assert found == list(range(len(found)))


def test_live_matroska_of_unstated_length_may_end_between_its_parts_only(tmp_path: Path) -> None:
    """As `ffmpeg -f matroska -` writes it, which cannot go back to state the length."""
    data = live_matroska()
    with piped(in_pieces(data)) as (stream, _), open_driving("-", stdin=stream) as frames:
        assert [number_of(frame.image) for frame in frames] == list(range(30))
    with (
        piped(in_pieces(data[:-50])) as (stream, _),
        open_driving("-", stdin=stream) as frames,
        pytest.raises(InputLost, match="ends too early"),
    ):
        list(frames)


def test_nothing_is_decoded_after_damage_of_the_structure(tmp_path: Path) -> None:
    """FFmpeg would pass over it without a word about the lost frames."""
    path = write_test_video(tmp_path / "a.mkv", frames=200, size=(160, 120), options={"g": "5"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 1000] = bytes(1000)
    found: list[int] = []
    with (
        piped(in_pieces(bytes(data))) as (stream, _),
        open_driving("-", stdin=stream) as frames,
        pytest.raises(InputLost, match=r"^standard input: .*damaged"),
    ):
        found.extend(number_of(frame.image) for frame in frames)
    assert found == list(range(len(found)))
    assert len(found) < 150


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (random.Random(0).randbytes(200_000), "is not a readable video"),
        (bytes(200_000), "is not a readable video"),
        (b"no video at all\n" * 50, "is a text file"),
        (b"<!DOCTYPE html><html></html>", "is a web page"),
        (b"#EXTM3U\nhttp://localhost/a.ts\n", "is a playlist"),
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "is a playlist"),
        (b"PK\3\4" + bytes(100), "is an archive"),
        (b"YUV4MPEG2 W64 H48 F25:1\n", "contains no frame"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "damaged image"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isommp41", "is not a readable video"),
    ],
)
def test_what_is_no_video_is_refused_in_one_line(content: bytes, words: str) -> None:
    with piped(in_pieces(content)) as (stream, _), pytest.raises(MediaError) as got:
        open_driving("-", stdin=stream)
    assert str(got.value).startswith("standard input: ")
    assert words in str(got.value)
    assert "; " in str(got.value)
    assert "\n" not in str(got.value)


def test_terminal_is_refused_without_reading_it() -> None:
    controller, terminal = pty.openpty()
    with (
        os.fdopen(controller, "wb", buffering=0),
        os.fdopen(terminal, "rb", buffering=0) as stream,
        pytest.raises(MediaError, match=r"^standard input: is a terminal; "),
    ):
        open_driving("-", stdin=stream)


def test_closed_standard_input_is_refused() -> None:
    stream = io.BytesIO(b"GIF89a")
    stream.close()
    with pytest.raises(MediaError, match=r"^standard input: is closed; "):
        open_driving("-", stdin=stream)


class Broken(io.RawIOBase):
    """A stream that the system cannot read, such as a folder as standard input."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        raise IsADirectoryError(21, "Is a directory")


def test_what_the_system_cannot_read_is_refused() -> None:
    with pytest.raises(MediaError, match=r"^standard input: cannot be read \(Is a directory\); "):
        open_driving("-", stdin=io.BufferedReader(Broken()))


def test_truncated_y4m_is_refused_as_a_file_as_well(tmp_path: Path) -> None:
    """FFmpeg drops its last frame without an error."""
    path = write_test_video(tmp_path / "a.y4m", **CUT["a.y4m"])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(MediaError, match="is truncated"):
        VideoReader(path)


def live_matroska() -> bytes:
    """Return 30 numbered frames in a Matroska that was written into a pipe."""
    import av
    from _helpers.media_files import numbered_frame

    class Sink:
        def __init__(self) -> None:
            self.data = bytearray()

        def write(self, data: bytes) -> int:
            self.data += data
            return len(data)

    sink = Sink()
    with av.open(sink, "w", format="matroska") as output:
        stream = output.add_stream("libx264", 25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(30):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number)).reformat(format="yuv420p")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return bytes(sink.data)
