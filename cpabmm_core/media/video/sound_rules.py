"""The sound that each container accepts."""

from dataclasses import dataclass


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
MP4_AUDIO = AudioRules(_COMMON, "aac")
MOV_AUDIO = AudioRules((_COMMON - {"opus", "flac"}) | _PCM | _MOV_ONLY, "aac", keeps_order=True)
MKV_AUDIO = AudioRules(_COMMON | _PCM | _MKV_ONLY, "aac", keeps_priming=False)
WEBM_AUDIO = AudioRules(frozenset({"opus", "vorbis"}), "libopus", keeps_priming=False)
