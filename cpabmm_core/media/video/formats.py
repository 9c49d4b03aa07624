"""The video formats that can be written: container, codecs and their options."""

from dataclasses import dataclass, field
from pathlib import Path

from cpabmm_core.errors import MediaError


@dataclass(frozen=True, slots=True)
class AudioRules:
    """The sound that a container accepts."""

    copied: frozenset[str]
    """Codecs whose packets are copied unchanged."""
    encoder: str
    """Encoder for sound of all other codecs."""
    keeps_priming: bool = True
    """Whether the container can store packets before time zero, which only prime the decoder.
    In other containers they would delay everything else."""
    keeps_order: bool = False
    """Whether the container can store an unusual order of the channels of uncompressed sound."""


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """How one format is written."""

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


# Without B-frames decoding order equals presentation order. Each frame in an MP4 then has its own
# duration, and no edit list has to hide a delay.
_H264 = {"crf": "18", "bf": "0"}
_VP9 = {"crf": "24", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"}
_FASTSTART = {"movflags": "+faststart"}

# What FFmpeg can store there and usual players of the container support. Uncompressed sound in MP4
# is recent; few play it.
_COMMON = frozenset({"aac", "mp2", "mp3", "ac3", "eac3", "alac", "dts", "opus", "flac"})
_PCM = frozenset(
    f"pcm_{kind}{bits}{order}"
    for kind, bits in (("s", 16), ("s", 24), ("s", 32), ("f", 32), ("f", 64))
    for order in ("le", "be")
)
_MOV_ONLY = frozenset(
    {"pcm_s8", "pcm_u8", "pcm_alaw", "pcm_mulaw", "adpcm_ima_qt", "amr_nb", "amr_wb", "gsm"}
)
_MKV_ONLY = frozenset({"vorbis", "truehd", "mlp", "tta", "wavpack", "pcm_u8"})
_MP4_AUDIO = AudioRules(_COMMON, "aac")
_MOV_AUDIO = AudioRules((_COMMON - {"opus", "flac"}) | _PCM | _MOV_ONLY, "aac", keeps_order=True)
_MKV_AUDIO = AudioRules(_COMMON | _PCM | _MKV_ONLY, "aac", keeps_priming=False)
_WEBM_AUDIO = AudioRules(frozenset({"opus", "vorbis"}), "libopus", keeps_priming=False)

_FORMATS = {
    ".mp4": VideoFormat("mp4", "libx264", "yuv420p", True, _H264, _FASTSTART, _MP4_AUDIO),
    ".mov": VideoFormat("mov", "libx264", "yuv420p", True, _H264, _FASTSTART, _MOV_AUDIO),
    ".mkv": VideoFormat("matroska", "libx264", "yuv420p", True, _H264, {}, _MKV_AUDIO),
    ".webm": VideoFormat("webm", "libvpx-vp9", "yuv420p", False, _VP9, {}, _WEBM_AUDIO),
    ".gif": VideoFormat("gif", "gif", "pal8", False),
}
VIDEO_OUTPUT_SUFFIXES = tuple(_FORMATS)
"""Suffixes that `VideoWriter` accepts."""


def video_format(path: str | Path) -> VideoFormat:
    """Return the format of a file name.

    Raises:
        MediaError: the suffix is missing or unknown; the message lists the allowed ones.

    Example:
        >>> video_format("out.webm").codec
        'libvpx-vp9'
    """
    suffix = Path(path).suffix
    if suffix.lower() not in _FORMATS:
        got = f"suffix {suffix}" if suffix else "no suffix"
        raise MediaError(f"{path}: {got}; a video ends in one of {' '.join(_FORMATS)}")
    return _FORMATS[suffix.lower()]
