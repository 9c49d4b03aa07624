"""A pipe gives the same frames at the same times as the file, and gives them early."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from _helpers.media_files import number_of, rotate_by_metadata, write_test_video
from _helpers.pipes import in_pieces, piped

from cpabmm_core.media import VideoReader, open_driving, show_notices
from cpabmm_core.media.timed_frames import DrivingFrames

_QUIET = {"x265-params": "log-level=none"}
_SPARSE = [0, 3, 4, 9, 10, 30, 31, 33, 90, 91]
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov"}
INDEX_IN_FRONT = {"movflags": "faststart"}

STREAMED: dict[str, dict[str, Any]] = {
    "a.mkv": {"rate": Fraction(30000, 1001)},
    "a.webm": {"codec": "libvpx-vp9"},
    "a.ts": {"container_format": "mpegts", "options": {"bf": "2"}},
    "a.mpg": {"codec": "mpeg2video"},
    "a.avi": {"codec": "mpeg4"},
    "a.nut": {"codec": "mpeg4"},
    "a.flv": {},
    "a.y4m": {"codec": "wrapped_avframe", "container_format": "yuv4mpegpipe"},
    "a.h264": {},
    "a.hevc": {"codec": "libx265", "options": _QUIET},
    "a.ivf": {"codec": "libvpx-vp9"},
    "a.wmv": {"codec": "wmv2", "container_format": "asf"},
    "a.mjpeg": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "a.m2v": {"codec": "mpeg2video"},
    "a.gif": {"codec": "gif", "pixels": "rgb8", "rate": 10},
    "sound.mkv": {"audio": True},
    "sound.ts": {"audio": "mp2", "container_format": "mpegts"},
    "variable.mkv": {"pts": _SPARSE, "time_base": Fraction(1, 30)},
    "late.mkv": {"pts": [3600 + time for time in _SPARSE], "time_base": Fraction(1, 25)},
    "odd.y4m": {"codec": "wrapped_avframe", "container_format": "yuv4mpegpipe", "size": (49, 33)},
    "ten-bit.mkv": {"pixels": "yuv420p10le"},
    "one.mkv": {"frames": 1},
}


def described(frames: DrivingFrames) -> tuple[object, ...]:
    return frames.width, frames.height, frames.frame_rate, frames.time_base, frames.has_audio


def assert_same_through_a_pipe(path: Path) -> list[str]:
    """Compare a file with the same file through a pipe, and return the notices about the pipe."""
    notices: list[str] = []
    with VideoReader(path) as reader:
        expected = [(f.pts, f.duration, f.image.tobytes()) for f in reader]
        properties = described(reader)
    with piped(in_pieces(path.read_bytes())) as (stream, writer), show_notices(notices.append):
        with open_driving("-", stdin=stream) as frames:
            assert described(frames) == properties
            assert not frames.is_live
            assert [(f.pts, f.duration, f.image.tobytes()) for f in frames] == expected
        assert writer.sent == path.stat().st_size
        assert not writer.was_refused
    return notices


@pytest.mark.parametrize("name", STREAMED)
def test_streamed_format_gives_what_the_file_gives(tmp_path: Path, name: str) -> None:
    path = write_test_video(tmp_path / name, **STREAMED[name])
    assert assert_same_through_a_pipe(path) == []


@pytest.mark.parametrize("options", [FRAGMENTED, INDEX_IN_FRONT], ids=["fragmented", "in front"])
@pytest.mark.parametrize("audio", [False, True])
def test_mp4_whose_index_comes_early_is_streamed(
    tmp_path: Path, options: dict[str, str], audio: bool
) -> None:
    path = remuxed(write_test_video(tmp_path / "a.mp4", audio=audio, frames=30), options)
    assert assert_same_through_a_pipe(path) == []


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mxf", "a.wtv"])
def test_format_that_needs_all_of_the_file_is_stored_and_a_notice_tells(
    tmp_path: Path, name: str
) -> None:
    codec = "libx264" if name.startswith("a.m") and name != "a.mxf" else "mpeg2video"
    [notice] = assert_same_through_a_pipe(write_test_video(tmp_path / name, codec=codec))
    assert notice.startswith("standard input: is ")
    assert "temporary file" in notice
    assert "\n" not in notice


@pytest.mark.parametrize("options", [{}, INDEX_IN_FRONT], ids=["stored", "streamed"])
def test_rotation_and_shape_of_pixels_are_as_in_the_file(
    tmp_path: Path, options: dict[str, str]
) -> None:
    path = write_test_video(tmp_path / "a.mp4", size=(64, 32))
    path = remuxed(path, options, ratio=Fraction(2))
    rotate_by_metadata(path, (0, 1, -1, 0))
    assert_same_through_a_pipe(path)
    with piped([path.read_bytes()]) as (stream, _), open_driving("-", stdin=stream) as frames:
        assert (frames.width, frames.height) == (32, 128)


def test_transparency_is_composited_as_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "alpha.webm"
    write_test_video(path, codec="libvpx-vp9", pixels="yuva420p", frames=3)
    assert_same_through_a_pipe(path)


@pytest.mark.parametrize("name", ["a.mkv", "a.ts", "a.y4m", "a.nut", "fragmented.mp4"])
def test_first_frame_comes_long_before_the_end(tmp_path: Path, name: str) -> None:
    arguments = dict(STREAMED.get(name, {}), frames=250, size=(160, 120))
    if name != "a.y4m":
        arguments["codec"] = "mpeg4"
        arguments["options"] = {"qmin": "1", "qmax": "1"}
    path = write_test_video(tmp_path / name, **arguments)
    if name.endswith(".mp4"):
        path = remuxed(path, FRAGMENTED)
    data = path.read_bytes()
    with piped(in_pieces(data, 1000), stalls=True) as (stream, writer):
        with open_driving("-", stdin=stream) as frames:
            first = next(iter(frames))
            assert number_of(first.image) == 0
            assert writer.sent < 0.5 * len(data)
        assert not writer.hold.is_set()


def remuxed(path: Path, options: dict[str, str], ratio: Fraction | None = None) -> Path:
    """Copy the packets of an MP4 into one with other options of the container."""
    target = path.with_name(f"remuxed-{path.name}")
    with av.open(str(path)) as source, av.open(str(target), "w", options=options) as output:
        streams: dict[int, Any] = {}
        for stream in source.streams:
            streams[stream.index] = output.add_stream_from_template(stream)
            if ratio is not None and stream.type == "video":
                streams[stream.index].sample_aspect_ratio = ratio
        for packet in source.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                output.mux(packet)
    return target
