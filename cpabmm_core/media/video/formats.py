"""The video formats that can be written: containers, their codecs and their sound."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cpabmm_core.errors import ConfigError, MediaError
from cpabmm_core.media.video.codecs import CODECS, PALETTE, VideoCodec
from cpabmm_core.media.video.sound_rules import (
    MKV_AUDIO,
    MOV_AUDIO,
    MP4_AUDIO,
    WEBM_AUDIO,
    AudioRules,
)


@dataclass(frozen=True, slots=True)
class Container:
    """What a container holds, and how it is written."""

    muxer: str
    """FFmpeg's name of the container."""
    suffixes: tuple[str, ...]
    """Suffixes of file names, the usual one first."""
    codecs: tuple[str, ...]
    """Names of the codecs that it holds; the first one is the default."""
    alpha_codec: str | None = None
    """The default for frames with transparency; None if the container holds none."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of a file."""
    live_options: Mapping[str, str] | None = None
    """Options of a stream, which is written without going back; None if that is impossible."""
    audio: AudioRules | None = None
    """The sound that it accepts; None if it holds no sound."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of codecs that the container does not choose by itself."""
    constant_rate: bool = False
    """Whether it stores a frame rate in place of timestamps."""


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """How one output is written: a container, a codec and their options."""

    name: str
    """What people call the container, such as ``mp4``."""
    muxer: str
    """FFmpeg's name of the container."""
    codec: str
    """FFmpeg's name of the video encoder."""
    pixels: str
    """FFmpeg's name of the pixel format."""
    even_sizes: bool
    """Whether width and height must be even."""
    codec_options: dict[str, str] = field(default_factory=dict)
    """Options of the video encoder."""
    options: dict[str, str] = field(default_factory=dict)
    """Options of the container."""
    audio: AudioRules | None = None
    """The sound that the container accepts; None if it holds no sound."""
    keeps_alpha: bool = False
    """Whether frames keep their transparency."""
    tag: str | None = None
    """The tag of the codec, if it is not the container's own choice."""
    smallest: int = 1
    """The shortest side of a frame in pixels."""
    colours: int = 256
    """The largest number of colours of a frame with a palette."""
    constant_rate: bool = False
    """Whether a frame rate is stored in place of timestamps."""


# The index of a stream precedes each fragment, and the first one waits for the sound, whose
# parameters some codecs state in the packets alone.
_FASTSTART = {"movflags": "+faststart"}
_FRAGMENTS = {
    "movflags": "+frag_keyframe+empty_moov+delay_moov+default_base_moof",
    "frag_duration": "100000",  # microseconds
    "flush_packets": "1",
}
_CLUSTERS = {"cluster_time_limit": "100", "flush_packets": "1"}  # milliseconds
_APPLE_TAGS = {"h265": "hvc1"}  # Apple plays no other tag
_FLUSHED = {"flush_packets": "1"}

CONTAINERS = {
    "mp4": Container(
        muxer="mp4",
        suffixes=(".mp4", ".m4v"),
        codecs=("h264", "h265", "av1", "vp9"),
        options=_FASTSTART,
        live_options=_FRAGMENTS,
        audio=MP4_AUDIO,
        tags=_APPLE_TAGS,
    ),
    "mov": Container(
        muxer="mov",
        suffixes=(".mov", ".qt"),
        codecs=("h264", "h265", "prores"),
        alpha_codec="prores",
        options=_FASTSTART,
        live_options=_FRAGMENTS,
        audio=MOV_AUDIO,
        tags=_APPLE_TAGS,
    ),
    "mkv": Container(
        muxer="matroska",
        suffixes=(".mkv",),
        codecs=("h264", "h265", "av1", "vp9", "prores", "ffv1"),
        alpha_codec="ffv1",
        live_options=_CLUSTERS,
        audio=MKV_AUDIO,
    ),
    "webm": Container(
        muxer="webm",
        suffixes=(".webm",),
        codecs=("vp9", "av1"),
        alpha_codec="vp9",
        live_options=_CLUSTERS,
        audio=WEBM_AUDIO,
    ),
    "gif": Container("gif", (".gif",), ("gif",), "gif", live_options=_FLUSHED),
    "webp": Container("webp", (".webp",), ("webp",), "webp"),
    "apng": Container("apng", (".apng",), ("apng",), "apng", options={"plays": "0"}),  # for ever
    "png": Container("image2", (), ("png",), "png"),
    "y4m": Container(
        "yuv4mpegpipe", (".y4m",), ("yuv",), live_options=_FLUSHED, constant_rate=True
    ),
    "nut": Container(
        "nut", (".nut",), ("raw", "ffv1"), "raw", live_options=_FLUSHED, audio=MKV_AUDIO
    ),
}
"""All formats by name. ``png`` is a folder of images."""
_BY_SUFFIX = {suffix: name for name, each in CONTAINERS.items() for suffix in each.suffixes}
VIDEO_OUTPUT_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".gif")
"""Suffixes that `VideoWriter` accepts."""


def video_format(path: str | Path) -> VideoFormat:
    """Return the default format of a file name that `VideoWriter` accepts.

    Raises:
        MediaError: the suffix is missing or unknown; the message lists the allowed ones.

    Example:
        >>> video_format("out.webm").codec
        'libvpx-vp9'
    """
    suffix = Path(path).suffix
    if suffix.lower() not in VIDEO_OUTPUT_SUFFIXES:
        got = f"suffix {suffix}" if suffix else "no suffix"
        allowed = " ".join(VIDEO_OUTPUT_SUFFIXES)
        raise MediaError(f"{path}: {got}; a video ends in one of {allowed}")
    return choose_format(_BY_SUFFIX[suffix.lower()])


def format_of_suffix(suffix: str) -> str | None:
    """Return the name of the format of a suffix, in any case; None if there is none."""
    return _BY_SUFFIX.get(suffix.lower())


def choose_format(
    name: str,
    *,
    codec: str | None = None,
    quality: int | None = None,
    alpha: bool = False,
    live: bool = False,
) -> VideoFormat:
    """Combine a container with a codec and its options.

    Args:
        name: name of the container, one of `CONTAINERS`.
        codec: name of the codec; None for the default.
        quality: from 1 to 100; None for the default of the codec.
        alpha: whether to keep transparency if the combination can.
        live: whether the output is a stream, which is written without going back.

    Raises:
        ConfigError: the container, the codec or the quality is unknown, or they do not go together.

    Example:
        >>> choose_format("mp4", codec="h265").tag
        'hvc1'
        >>> choose_format("mov", alpha=True).pixels
        'yuva444p10le'
    """
    container = _container(name, live=live)
    chosen = codec or (container.alpha_codec if alpha else None) or container.codecs[0]
    coded = _codec(name, container, chosen)
    options = {**coded.options, **_quality(chosen, coded, quality)}
    keeps_alpha = alpha and container.alpha_codec is not None and coded.alpha_pixels is not None
    if keeps_alpha:
        options |= coded.alpha_options
    if live:
        options |= coded.live_options
    colours = int(options.pop(PALETTE, 256))
    return VideoFormat(
        name=name,
        muxer=container.muxer,
        codec=coded.encoder,
        pixels=(coded.alpha_pixels if keeps_alpha else None) or coded.pixels,
        even_sizes=coded.even_sizes,
        codec_options=options,
        options=dict((container.live_options if live else container.options) or {}),
        audio=container.audio,
        keeps_alpha=keeps_alpha,
        tag=container.tags.get(chosen),
        smallest=coded.smallest,
        colours=colours,
        constant_rate=container.constant_rate,
    )


def _container(name: str, *, live: bool) -> Container:
    if name not in CONTAINERS:
        raise ConfigError(f"format {name}: unknown; give one of {', '.join(CONTAINERS)}")
    if live and CONTAINERS[name].live_options is None:
        streams = (key for key, each in CONTAINERS.items() if each.live_options is not None)
        raise ConfigError(
            f"format {name}: cannot be written to standard output; give one of {', '.join(streams)}"
        )
    return CONTAINERS[name]


def _codec(name: str, container: Container, codec: str) -> VideoCodec:
    if codec not in container.codecs:
        trouble = f"{name} cannot hold it" if codec in CODECS else "is unknown"
        allowed = ", ".join(container.codecs)
        raise ConfigError(f"codec {codec}: {trouble}; in {name} use one of {allowed}")
    return CODECS[codec]


def _quality(name: str, codec: VideoCodec, quality: int | None) -> dict[str, str]:
    if quality is None:
        return {}
    if codec.quality is None:
        raise ConfigError(f"quality {quality}: {name} is lossless; leave out the quality")
    return codec.quality.options(quality)
