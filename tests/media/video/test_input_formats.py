"""The closed list of formats: what is on it can be read under any name, and nothing else."""

from pathlib import Path
from typing import Any

import pytest
from _helpers.media_files import number_of, write_test_video
from av.format import ContainerFormat, Flags

from cpabmm_core.media.suffixes import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from cpabmm_core.media.video import FrameIndex, VideoReader, video_format
from cpabmm_core.media.video.formats import VIDEO_OUTPUT_SUFFIXES
from cpabmm_core.media.video.input_formats import (
    FORMAT_WHITELIST,
    SOUND_FORMATS,
    VIDEO_FORMATS,
)

PAL = (720, 576)
JPEG = {"codec": "mjpeg", "pixels": "yuvj420p"}
WRITABLE: dict[str, dict[str, Any]] = {
    "mov": {},
    "mp4": {},
    "3gp": {"codec": "h263", "size": (176, 144)},
    "matroska": {},
    "webm": {"codec": "libvpx"},
    "avi": {"codec": "mpeg4"},
    "gif": {"codec": "gif", "pixels": "rgb8"},
    "apng": {"codec": "apng", "pixels": "rgb24"},
    "mpegts": {},
    "mpeg": {"codec": "mpeg1video"},
    "vob": {"codec": "mpeg2video"},
    "asf": {"codec": "wmv2"},
    "flv": {"codec": "flv"},
    "ogg": {"codec": "libvpx"},
    "mxf": {"codec": "mpeg2video"},
    "gxf": {"codec": "mpeg2video", "size": PAL},
    "dv": {"codec": "dvvideo", "size": PAL},
    "nut": {"codec": "ffv1"},
    "rm": {"codec": "rv20"},
    "wtv": {"codec": "mpeg2video"},
    "ivf": {"codec": "libvpx"},
    "yuv4mpegpipe": {"codec": "wrapped_avframe"},
    "mjpeg": JPEG,
    "mpeg2video": {"codec": "mpeg2video"},
    "m4v": {"codec": "mpeg4"},
    "h264": {},
    "hevc": {"codec": "libx265", "options": {"x265-params": "log-level=none"}},
    "obu": {"codec": "libsvtav1"},
}
"""Formats that PyAV can also write, with the arguments of `write_test_video`."""
OPENS_MORE = (
    "concat",
    "hls",
    "dash",
    "imf",
    "sdp",
    "rtsp",
    "rtp",
    "sap",
    "rtpdump",
    "image2",
    "image2pipe",
    "mlv",
    "vobsub",
    "ivr",
    "tedcaptions",
    "webm_dash_manifest",
    "lavfi",
    "v4l2",
    "video4linux2",
    "alsa",
    "oss",
    "fbdev",
    "x11grab",
    "kmsgrab",
    "iamf",
    "tty",
    "bin",
    "xbin",
    "idf",
    "adf",
    "ffmetadata",
    "srt",
    "ass",
    "webvtt",
    "microdvd",
    "subviewer",
    "realtext",
    "sami",
    "data",
    "rawvideo",
    "v210",
    "svg_pipe",
    "xpm_pipe",
    "xbm_pipe",
    "swf",
    "s337m",
    "u8",
    "s16le",
)


@pytest.mark.parametrize("name", WRITABLE)
def test_every_format_is_read_under_any_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "film.txt"
    write_test_video(path, frames=5, container_format=name, **WRITABLE[name])
    assert [number_of(frame.image) for frame in VideoReader(path)] == [0, 1, 2, 3, 4]
    index = FrameIndex(path)
    assert [number_of(image) for image in index.read([4, 0])] == [4, 0]


def test_every_format_exists_in_ffmpeg() -> None:
    for each in (*VIDEO_FORMATS, *SOUND_FORMATS):
        assert ContainerFormat(each.demuxer, "r").is_input, each


def test_the_list_contains_no_reader_that_opens_more_or_draws_text() -> None:
    listed = {*FORMAT_WHITELIST.split(",")}
    assert not listed & {*OPENS_MORE}
    for name in listed:
        flags = Flags(ContainerFormat(name, "r").flags)
        assert not flags & Flags.no_file, name  # such a reader opens its input by itself


def test_suffixes_are_those_of_the_formats() -> None:
    suffixes = [suffix for each in VIDEO_FORMATS for suffix in each.suffixes]
    assert {*VIDEO_SUFFIXES} == {*suffixes}
    assert len(VIDEO_SUFFIXES) == len(suffixes)
    assert len({*suffixes}) == len(suffixes)
    assert not {*suffixes} & {*IMAGE_SUFFIXES}
    assert {*VIDEO_OUTPUT_SUFFIXES} <= {*suffixes}
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in suffixes)


def test_what_is_written_can_be_read() -> None:
    listed = {*FORMAT_WHITELIST.split(",")}
    for suffix in VIDEO_OUTPUT_SUFFIXES:
        names = {*ContainerFormat(video_format(f"a{suffix}").muxer, "r").name.split(",")}
        assert names & listed or names & {"mp4", "webm"}
