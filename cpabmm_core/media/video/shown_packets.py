"""Detection of packets that show no frame of their own, from their first bytes."""

from __future__ import annotations  # `Packet` takes its parameter only in stubs

from collections.abc import Iterator
from dataclasses import dataclass

from av.packet import Packet
from av.video.stream import VideoStream

_LONGEST_EMPTY_VOP = 19
"""Bytes. A packet of MPEG-4 up to this size may hold no picture; FFmpeg has the same limit."""
_START_CODE = b"\0\0\1"


@dataclass(frozen=True, slots=True)
class _UnitRules:
    """How the units of a codec state their kind: in bits of their first byte."""

    shift: int
    mask: int
    parameters: range
    """The kinds without a part of a picture."""
    length_position: int
    """Where the description of a stream in MP4 and MKV states the size of a length."""


_RULES = {
    "h264": _UnitRules(0, 31, range(6, 14), 4),
    "hevc": _UnitRules(1, 63, range(32, 41), 21),
}


def may_show_nothing(packet: Packet[VideoStream], stream: VideoStream) -> bool:
    """Return whether a packet with content may hold no frame, or one that is not to be shown.

    Args:
        packet: a packet of the stream.
        stream: a stream of any codec. VP8, VP9, H.264, HEVC and MPEG-4 have such packets.
    """
    codec = stream.codec_context.name
    if codec == "mpeg4":
        return packet.size <= _LONGEST_EMPTY_VOP
    data = memoryview(packet)
    if codec == "vp8":
        return not _shows_vp8(data[0])
    if codec == "vp9":
        return not _shows_vp9(data[0], data[-1])
    return only_describes(packet, stream)


def only_describes(packet: Packet[VideoStream], stream: VideoStream) -> bool:
    """Return whether a packet of H.264 or HEVC holds parameters, but surely no part of a picture.

    FFmpeg's decoder of H.264 calls such a packet an error.
    """
    rules = _RULES.get(stream.codec_context.name)
    if rules is None:
        return False
    description = stream.codec_context.extradata or b""
    found = False
    for first in _units(memoryview(packet), description, rules.length_position):
        if first >> rules.shift & rules.mask not in rules.parameters:
            return False
        found = True
    return found


def _shows_vp8(first: int) -> bool:
    """Return whether the first byte of a VP8 frame (RFC 6386, section 9.1) tells to show it."""
    return bool(first >> 4 & 1)


def _shows_vp9(first: int, last: int) -> bool:
    """Return whether a VP9 packet shows a frame; hidden ones share a packet with one that does."""
    if last >> 5 == 0b110:  # the index of such a packet
        return True
    bits = f"{first:08b}"
    position = 5 if bits[2:4] == "11" else 4  # profile 3 has a reserved bit
    shows_earlier_frame, is_shown = bits[position], bits[position + 2]
    return "1" in (shows_earlier_frame, is_shown)


def _units(data: memoryview, description: bytes, length_position: int) -> Iterator[int]:
    """Yield the first byte of each unit of a packet."""
    if description[:1] != b"\1" or len(description) <= length_position:
        content, position = bytes(data), 0
        while (position := content.find(_START_CODE, position) + 3) > 2:
            yield from content[position : position + 1]
        return
    width = (description[length_position] & 3) + 1
    position = 0
    while position + width < len(data):
        yield data[position + width]
        position += width + int.from_bytes(data[position : position + width], "big")
