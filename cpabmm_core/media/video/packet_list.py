"""The timestamps of the frames of a video, listed from its packets without decoding them."""

from __future__ import annotations  # `Packet` takes its parameter only in stubs

from dataclasses import dataclass, field
from pathlib import Path

from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from cpabmm_core.media.video.decoding import MOST_WITHOUT_FRAME, decoding_error, is_truncated
from cpabmm_core.media.video.library_calls import library_calls
from cpabmm_core.media.video.shown_packets import may_show_nothing

_LONGEST = 2**22
"""Frames: 38 hours at 30 per second. A file of the headers of packets can announce many more."""


@dataclass
class PacketList:
    """Timestamps in ascending order; both lists are empty if they are unreliable."""

    times: list[int] = field(default_factory=list)
    """Of all frames."""
    keys: list[int] = field(default_factory=list)
    """Of the keyframes."""


def list_packets(container: InputContainer, stream: VideoStream, path: Path) -> PacketList:
    """List the packets of a stream from the start of the file.

    The list is unreliable if timestamps are missing, repeated or inconsistent, if the stream does
    not begin with a keyframe, if there is a packet that may show no picture of its own, or if there
    are too many packets, or too many without content.

    Raises:
        MediaError: a packet is damaged.
    """
    found = PacketList()
    decoding_time: int | None = None
    empty = 0
    with library_calls(lambda reason: decoding_error(path, len(found.times), reason)):
        for packet in container.demux(stream):
            if packet.size == 0 or packet.is_discard:
                empty += 1
                if empty > MOST_WITHOUT_FRAME:
                    return PacketList()
                continue
            if is_truncated(packet, container):
                raise decoding_error(path, len(found.times), "a packet is truncated")
            if packet.pts is None or not _is_consistent(packet, decoding_time):
                return PacketList()
            if not (packet.is_keyframe or found.keys) or may_show_nothing(packet, stream):
                return PacketList()
            decoding_time = packet.dts if packet.dts is not None else decoding_time
            found.times.append(packet.pts)
            if len(found.times) > _LONGEST:
                return PacketList()
            if packet.is_keyframe:
                found.keys.append(packet.pts)
    if len(set(found.times)) < len(found.times):
        return PacketList()
    return PacketList(sorted(found.times), sorted(found.keys))


def _is_consistent(packet: Packet[VideoStream], decoding_time: int | None) -> bool:
    """Return whether a packet is decoded after the one before it, and not shown before that."""
    if packet.dts is None or packet.pts is None:
        return True
    return packet.dts <= packet.pts and (decoding_time is None or packet.dts > decoding_time)
