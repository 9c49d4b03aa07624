"""The video files that can be written: what each container holds and how it is encoded."""

from dataclasses import dataclass, field
from pathlib import Path

from cpabmm_core.errors import MediaError


@dataclass(frozen=True, slots=True)
class AudioRules:
    """Which sound a container takes."""

    copied: frozenset[str]
    """Codecs whose packets are copied as they are."""
    encoder: str
    """Encoder for the sound of all other codecs."""
    keeps_priming: bool = True
    """Whether it can store packets before time zero, which only prime the decoder; where it cannot,
    they would delay everything else."""


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """How one kind of video file is written."""

    muxer: str
    codec: str
    pixels: str
    even_sizes: bool
    codec_options: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    audio: AudioRules | None = None
    """None: the container holds no sound."""


# Without B-frames the order of decoding is the order of showing: each frame's duration in an MP4
# is its own, and no edit list has to hide a delay.
_H264 = {"crf": "18", "bf": "0"}
_VP9 = {"crf": "24", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"}
_FASTSTART = {"movflags": "+faststart"}

_COMMON = frozenset({"aac", "mp3", "ac3", "eac3", "alac"})
_PCM = frozenset({"pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_f32le"})
_MP4_AUDIO = AudioRules(_COMMON | {"opus", "flac"}, "aac")
_MOV_AUDIO = AudioRules(_COMMON | _PCM, "aac")
_MKV_AUDIO = AudioRules(
    _COMMON | _PCM | {"opus", "flac", "vorbis", "mp2", "dts", "truehd"}, "aac", keeps_priming=False
)
_WEBM_AUDIO = AudioRules(frozenset({"opus", "vorbis"}), "libopus")

_FORMATS = {
    ".mp4": VideoFormat("mp4", "libx264", "yuv420p", True, _H264, _FASTSTART, _MP4_AUDIO),
    ".mov": VideoFormat("mov", "libx264", "yuv420p", True, _H264, _FASTSTART, _MOV_AUDIO),
    ".mkv": VideoFormat("matroska", "libx264", "yuv420p", True, _H264, {}, _MKV_AUDIO),
    ".webm": VideoFormat("webm", "libvpx-vp9", "yuv420p", False, _VP9, {}, _WEBM_AUDIO),
    ".gif": VideoFormat("gif", "gif", "pal8", False),
}
VIDEO_OUTPUT_SUFFIXES = tuple(_FORMATS)


def video_format(path: str | Path) -> VideoFormat:
    """The format in which a file of this name is written.

    Raises:
        MediaError: no or an unknown suffix; the message lists the allowed ones.
    """
    suffix = Path(path).suffix
    if suffix.lower() not in _FORMATS:
        got = f"suffix {suffix}" if suffix else "no suffix"
        raise MediaError(f"{path}: {got}; a video ends in one of {' '.join(_FORMATS)}")
    return _FORMATS[suffix.lower()]
