"""What the readers and writers rely on in PyAV, so that an upgrade fails here first."""

import errno
import tomllib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from _helpers.media_files import write_test_video
from av.container import InputContainer
from av.format import Flags
from av.sidedata.sidedata import Type
from av.stream import Disposition
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from packaging.requirements import Requirement

MAJOR = int(av.__version__.split(".")[0])
TRIED = ("17.0.0", "18.1.0")
"""Versions with which the tests of the readers and writers have been run."""
LAST_MAJOR = 18
"""The newest of them."""
ROOT = Path(__file__).parents[3]


@pytest.fixture
def container(tmp_path: Path) -> Iterator[InputContainer]:
    path = write_test_video(tmp_path / "a.mp4", frames=3, audio=True)
    with av.open(str(path)) as opened:
        yield opened


def test_the_installed_version_is_one_that_was_tried() -> None:
    assert 17 <= MAJOR <= LAST_MAJOR, (
        f"PyAV {av.__version__}: run tests/media, then raise LAST_MAJOR and the limit in pyproject"
    )


def test_the_package_asks_for_such_a_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = next(Requirement(each) for each in project["dependencies"] if each.startswith("av>"))
    allowed = [version for version in TRIED if asked.specifier.contains(version)]
    assert allowed == list(TRIED)
    for version in ("16.1.0", f"{LAST_MAJOR + 1}.0"):  # frames of the former state no colours
        assert not asked.specifier.contains(version), version


def test_arguments_of_open(tmp_path: Path) -> None:
    """The function states no signature, but refuses what it does not know."""
    path = str(write_test_video(tmp_path / "a.mp4", frames=3))
    used: dict[str, Any] = {"container_options": {}, "metadata_errors": "replace", "io_open": None}
    unknown: dict[str, Any] = {"no_such_argument": 1}
    with av.open(path, mode="r", **used) as opened:
        assert opened.format.name.startswith("mov")
    with av.open(str(tmp_path / "b"), mode="w", format="mp4", options={"movflags": "+faststart"}):
        pass
    with pytest.raises(TypeError):
        av.open(path, mode="r", **unknown)


def test_an_object_with_read_seek_and_tell_is_a_file(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "a.mp4", frames=3)

    class Minimal:
        def __init__(self) -> None:
            file = path.open("rb")
            self.read, self.seek, self.tell = file.read, file.seek, file.tell
            self.close = file.close

    file = Minimal()
    with av.open(file, mode="r") as opened:
        assert opened.name == "<none>"
        assert len(list(opened.decode(video=0))) == 3
    file.close()


def test_a_format_off_the_list_is_an_invalid_argument(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "a.mkv", frames=3)
    with pytest.raises(av.FFmpegError) as caught:
        av.open(str(path), container_options={"format_whitelist": "mov"})
    assert caught.value.errno == errno.EINVAL
    with av.open(str(path), container_options={"format_whitelist": "mov,matroska"}) as opened:
        assert opened.format.name == "matroska,webm"


def test_errors_of_ffmpeg_are_one_family(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(bytes(1000))
    with pytest.raises(av.FFmpegError) as caught:
        av.open(str(tmp_path / "a.mp4"))
    assert isinstance(caught.value.strerror, str)
    assert isinstance(caught.value.errno, int)
    assert not issubclass(av.FFmpegError, OSError)


def test_containers_and_streams(container: InputContainer) -> None:
    assert type(container.format.flags) is int
    assert container.format.name == "mov,mp4,m4a,3gp,3g2,mj2"
    assert av.time_base == 1_000_000
    assert type(container.start_time) is int
    video = container.streams.video[0]
    assert video is container.streams.best("video")
    assert len(container.streams.audio) == 1
    assert not video.disposition & Disposition.attached_pic
    assert type(video.frames) is int
    assert type(video.duration) is int
    assert type(video.start_time) is int
    video.codec_context.thread_count = 1
    assert video.codec_context.name == "h264"
    assert (video.codec_context.width, video.codec_context.height) == (64, 48)


def test_rationals_are_exact_fractions(container: InputContainer) -> None:
    video = container.streams.video[0]
    for value in (video.time_base, video.average_rate, video.guessed_rate):
        assert type(value) is Fraction
        assert type(1 / value) is Fraction
    assert video.average_rate == 25
    packet = next(container.demux(video))
    assert type(packet.time_base) is Fraction


def test_packets_and_frames(container: InputContainer) -> None:
    video = container.streams.video[0]
    packets = list(container.demux(video))
    assert [packet.size > 0 for packet in packets] == [True, True, True, False]
    assert packets[0].is_keyframe
    assert not packets[0].is_corrupt
    assert not packets[0].is_discard
    assert [type(packet.pts) for packet in packets[:3]] == [int] * 3
    container.seek(0, stream=video)
    frame = next(frame for packet in container.demux(video) for frame in packet.decode())
    assert not frame.is_corrupt
    assert frame.pts == frame.dts == 0
    assert type(frame.duration) is int
    assert frame.format.name == "yuv420p"
    assert not frame.format.has_palette
    assert [component.is_alpha for component in frame.format.components] == [False] * 3
    assert frame.side_data.get("DISPLAYMATRIX") is None
    for value in (frame.color_trc, frame.color_primaries, frame.colorspace):
        assert int(value) == 2  # unspecified
    assert not frame.format.is_rgb


def test_streams_state_shape_index_and_decoder(container: InputContainer) -> None:
    video = container.streams.video[0]
    assert video.sample_aspect_ratio in (None, 0, 1)
    assert [entry.size > 0 for entry in video.index_entries] == [True] * 3
    decoder = video.codec_context
    assert not decoder.is_open
    decoder.options = {**decoder.options, "max_pixels": "10000"}
    packets = list(container.demux(video))
    assert len([frame for packet in packets for frame in decoder.decode(packet)]) == 3
    assert av.CodecContext.create("libvpx-vp9", "r").name == "libvpx-vp9"


def test_conversion_takes_a_size_and_a_number_of_threads(container: InputContainer) -> None:
    frame = next(container.decode(video=0))
    threads: dict[str, Any] = {"threads": 1}
    image = frame.to_ndarray(format="rgb24", width=32, height=16, **threads)
    assert image.shape == (16, 32, 3)
    assert image.dtype == np.uint8
    assert frame.to_ndarray(format="rgba", width=32, height=16, **threads).shape == (16, 32, 4)


def test_names_and_numbers_of_flags() -> None:
    assert Flags(0x200) is Flags.ts_discont  # AVFMT_TS_DISCONT
    assert Disposition(0x400) is Disposition.attached_pic  # AV_DISPOSITION_ATTACHED_PIC
    named: Any = Type
    assert named(6) is Type.DISPLAYMATRIX  # AV_FRAME_DATA_DISPLAYMATRIX
    assert named(15) is Type.ICC_PROFILE  # AV_FRAME_DATA_ICC_PROFILE


def test_a_writer_takes_fractions_and_options(tmp_path: Path) -> None:
    path = str(tmp_path / "a.mp4")
    with av.open(path, mode="w", format="mp4", options={"movie_timescale": "1000"}) as output:
        stream = output.add_stream("libx264", Fraction(25), options={"crf": "18", "bf": "0"})
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = 64, 48, "yuv420p"
        context.time_base = Fraction(1, 1000)
        context.colorspace, context.color_range = 6, ColorRange.MPEG
        output.start_encoding()
        image = np.zeros((48, 64, 3), np.uint8)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.MPEG
        )
        frame.pts, frame.time_base = 7, Fraction(1, 1000)
        output.mux([*stream.encode(frame), *stream.encode(None)])
    with av.open(path) as opened:
        assert next(opened.decode(video=0)).time == 0.007


def test_filters_exist() -> None:
    assert {"sidedata", "buffer", "buffersink"} <= av.filter.filters_available
