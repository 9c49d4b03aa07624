"""Detection of sound whose parameters change midway, which a copy cannot express."""

from __future__ import annotations  # `Packet` takes its parameter only in stubs

from collections.abc import Iterable, Iterator

from av.audio.stream import AudioStream
from av.packet import Packet

from cpabmm_core.media.video.sound.report import SoundProblem

_ADTS_HEADER = 7


def until_change(
    packets: Iterable[Packet[AudioStream]], stream: AudioStream
) -> Iterator[Packet[AudioStream]]:
    """Yield packets as long as their parameters are those of the first one.

    Decoders of AC-3 or MP3 notice a change by themselves. An output states the parameters of AAC
    only once, and would play the rest at a wrong pitch.

    Raises:
        SoundProblem: the parameters change.
    """
    has_headers = stream.codec_context.codec.canonical_name == "aac"
    first: bytes | None = None
    for number, packet in enumerate(packets):
        now = _parameters(packet, with_header=has_headers)
        first = now if first is None else first
        if (now is not None and now != first) or (number and _replaces_extradata(packet, stream)):
            raise SoundProblem("its format changes midway")
        yield packet


def _parameters(packet: Packet[AudioStream], *, with_header: bool) -> bytes | None:
    """Return profile, rate and channels from the ADTS header of a packet, if it has one."""
    head = bytes(memoryview(packet)[:_ADTS_HEADER]) if with_header else b""
    if len(head) < _ADTS_HEADER or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return None
    return bytes((head[2] & 0xFD, head[3] & 0xC0))


def _replaces_extradata(packet: Packet[AudioStream], stream: AudioStream) -> bool:
    if not packet.has_sidedata("new_extradata"):
        return False
    return bytes(packet.get_sidedata("new_extradata")) != (stream.codec_context.extradata or b"")
