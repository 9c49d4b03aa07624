"""The codecs of written videos: encoders, pixel formats, options and scales of quality."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cpabmm_core.errors import ConfigError

_LOWEST, _HIGHEST = 1, 100
PALETTE = "colours"
"""Not an option of an encoder: the number of colours of a GIF."""


@dataclass(frozen=True, slots=True)
class QualityScale:
    """How a quality from 1 to 100 maps to an option of an encoder, linearly."""

    option: str
    """Name of the option."""
    lowest: float
    """Its value at quality 1."""
    highest: float
    """Its value at quality 100."""
    unit: int = 1
    """The encoder counts in this fraction of the values above."""

    def options(self, quality: int) -> dict[str, str]:
        """Return the option for a quality.

        Raises:
            ConfigError: the quality is not from 1 to 100.
        """
        if not _LOWEST <= quality <= _HIGHEST:
            raise ConfigError(f"quality {quality}: give a whole number from 1 to 100")
        share = (quality - _LOWEST) / (_HIGHEST - _LOWEST)
        value = self.lowest + share * (self.highest - self.lowest)
        return {self.option: str(round(value * self.unit))}


@dataclass(frozen=True, slots=True)
class VideoCodec:
    """How frames are encoded."""

    encoder: str
    """FFmpeg's name of the encoder."""
    pixels: str
    """FFmpeg's name of the pixel format."""
    alpha_pixels: str | None = None
    """The pixel format of frames with transparency; None if the codec has none."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of the encoder."""
    alpha_options: Mapping[str, str] = field(default_factory=dict)
    """Further options for frames with transparency."""
    live_options: Mapping[str, str] = field(default_factory=dict)
    """Further options with which each frame leaves the encoder at once."""
    quality: QualityScale | None = None
    """The scale of quality; None for a lossless codec."""
    even_sizes: bool = False
    """Whether width and height must be even."""
    smallest: int = 1
    """The shortest side that the encoder accepts."""


# Without B-frames decoding order equals presentation order. Each frame in an MP4 then has its own
# duration, and no edit list has to hide a delay.
_H264 = VideoCodec(
    encoder="libx264",
    pixels="yuv420p",
    options={"crf": "18", "bf": "0"},
    live_options={"tune": "zerolatency"},
    quality=QualityScale("crf", 45, 4),
    even_sizes=True,
)
_H265 = VideoCodec(
    encoder="libx265",
    pixels="yuv420p",
    options={"crf": "21", "bf": "0", "x265-params": "log-level=none"},
    live_options={"tune": "zerolatency"},
    quality=QualityScale("crf", 45, 4),
    even_sizes=True,
    smallest=16,
)
_VP9 = VideoCodec(
    encoder="libvpx-vp9",
    pixels="yuv420p",
    alpha_pixels="yuva420p",
    options={"crf": "24", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"},
    alpha_options={"auto-alt-ref": "0"},  # libvpx has no hidden frames with transparency
    live_options={"lag-in-frames": "0"},
    quality=QualityScale("crf", 60, 4),
)
_AV1 = VideoCodec(
    encoder="libsvtav1",
    pixels="yuv420p",
    options={"crf": "26", "preset": "8"},
    live_options={"svtav1-params": "pred-struct=1:lookahead=0"},
    quality=QualityScale("crf", 60, 4),
    smallest=4,
)
# FFmpeg counts quantisers in 1/118.
_PRORES = VideoCodec(
    encoder="prores_ks",
    pixels="yuv422p10le",
    alpha_pixels="yuva444p10le",
    options={"profile": "hq", "vendor": "apl0"},
    alpha_options={"profile": "4444", "alpha_bits": "16"},
    quality=QualityScale("global_quality", 32, 1, unit=118),
)
_FFV1 = VideoCodec(
    encoder="ffv1", pixels="bgr0", alpha_pixels="bgra", options={"level": "3", "slicecrc": "1"}
)
_WEBP = VideoCodec(
    encoder="libwebp_anim",
    pixels="bgra",
    alpha_pixels="bgra",
    options={"quality": "85"},
    quality=QualityScale("quality", 1, 100),
)
_GIF = VideoCodec(
    encoder="gif", pixels="pal8", alpha_pixels="pal8", quality=QualityScale(PALETTE, 8, 256)
)

CODECS = {
    "h264": _H264,
    "h265": _H265,
    "vp9": _VP9,
    "av1": _AV1,
    "prores": _PRORES,
    "ffv1": _FFV1,
    "gif": _GIF,
    "webp": _WEBP,
    "apng": VideoCodec(encoder="apng", pixels="rgb24", alpha_pixels="rgba"),
    "png": VideoCodec(encoder="png", pixels="rgb24", alpha_pixels="rgba"),
    "raw": VideoCodec(encoder="rawvideo", pixels="rgb24", alpha_pixels="rgba"),
    "yuv": VideoCodec(encoder="rawvideo", pixels="yuv420p"),
}
"""All codecs by the names that people give them."""
