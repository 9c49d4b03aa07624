"""Decoding the frames of a video."""

from __future__ import annotations  # `Packet` takes its parameter only in stubs

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.video.frame import VideoFrame as AvFrame
from av.video.stream import VideoStream

from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import one_line
from cpabmm_core.media.video.decoder import video_decoder
from cpabmm_core.media.video.frame_shape import MAX_PIXELS, check_size
from cpabmm_core.media.video.library_calls import library_calls
from cpabmm_core.media.video.shown_packets import only_describes

MOST_WITHOUT_FRAME = 1_000_000
"""Packets in a row without a frame: nine hours at 30 packets per second. A file of nothing but
their headers would take minutes per gigabyte."""


class TruncatedVideo(MediaError):
    """The end of a video is missing."""


_END_OF_JPEG = b"\xff\xd9"


@dataclass(slots=True)
class PacketTally:
    """What the packets of a stream state, including those without a frame."""

    count: int = 0
    """The number of packets."""
    end: int | None = None
    """The end of the latest packet by its presentation time, in units of the stream."""
    decoding_start: int | None = None
    """The decoding time of the first packet."""
    decoding_end: int | None = None
    """The end of the latest packet by its decoding time."""

    def add(self, packet: Packet[VideoStream]) -> None:
        """Include a packet."""
        self.count += 1
        if packet.is_discard:
            return
        if self.decoding_start is None:
            self.decoding_start = packet.dts
        self.end = _later(self.end, packet.pts, packet.duration)
        self.decoding_end = _later(self.decoding_end, packet.dts, packet.duration)

    def extend(self, duration: int) -> None:
        """Include packets without content at the end."""
        self.end = None if self.end is None else self.end + duration
        self.decoding_end = None if self.decoding_end is None else self.decoding_end + duration


def _later(end: int | None, time: int | None, duration: int | None) -> int | None:
    if time is None:
        return end
    return time + (duration or 0) if end is None else max(end, time + (duration or 0))


def decode(
    container: InputContainer,
    stream: VideoStream,
    path: Path | str,
    *,
    count: int = 0,
    tally: PacketTally | None = None,
) -> Iterator[AvFrame]:
    """Decode a stream from the current position of the container, and raise an error on damage.

    A packet without a frame is accepted: it means that the frame before it stays. Frames are
    decoded one at a time: with several at once FFmpeg loses errors near the end and all frames
    after them.

    Args:
        container: the open file.
        stream: its video stream.
        path: the name of the file, for errors.
        count: number of frames before the current position, for errors.
        tally: collects what the packets state.

    Yields:
        The frames in presentation order.

    Raises:
        MediaError: a packet or a frame is damaged, or too many packets hold no frame, and the
            message states after how many frames; or the frames are too large.
    """
    failure: str | None = None
    idle = 0
    with library_calls(lambda reason: decoding_error(path, count, reason)):
        check_size(path, stream.codec_context.width, stream.codec_context.height)
        decoder = video_decoder(stream)
        for packet in container.demux(stream):
            if failure and packet.size:
                raise decoding_error(path, count, failure)
            idle += 1
            if idle > MOST_WITHOUT_FRAME:
                raise decoding_error(path, count, f"{MOST_WITHOUT_FRAME:,} packets hold no frame")
            if is_truncated(packet, container):
                raise decoding_error(path, count, "a packet is truncated", TruncatedVideo)
            if not packet.size and packet.dts is not None:
                continue  # to the decoder it would mean the end of the stream
            if tally and packet.size:
                tally.add(packet)
            try:
                frames = decoder.decode(packet)
            except av.FFmpegError as error:
                if packet.size and only_describes(packet, stream):
                    continue
                failure = one_line(error)
                if error.errno == errno.EINVAL:  # how FFmpeg refuses a size
                    failure += f", perhaps because it has more than {MAX_PIXELS:,} pixels"
                continue
            for frame in frames:
                if frame.is_corrupt:
                    raise decoding_error(path, count, "a frame is corrupt")
                idle = 0
                yield frame
                count += 1
    if failure and count == 0:
        raise decoding_error(path, count, failure)


def is_truncated(packet: Packet[VideoStream], container: InputContainer) -> bool:
    """Return whether a packet lacks data.

    MPEG streams also mark every joint between recordings as corrupt, so theirs do not count. FFmpeg
    does not mark the last image of a Motion JPEG stream, but shows it without its lower part.
    """
    if container.format.name == "mjpeg" and packet.size:
        return bytes(packet).rfind(_END_OF_JPEG) < 0
    return packet.is_corrupt and not Flags(container.format.flags) & Flags.ts_discont


def decoding_error(
    path: Path | str, count: int, reason: str, kind: type[MediaError] = MediaError
) -> MediaError:
    """Return the error for a video of which only `count` frames can be decoded."""
    if count == 0:
        trouble = f"{path}: its first frame cannot be decoded ({reason})"
        return kind(trouble, "fetch it again, or convert it to H.264")
    trouble = f"{path}: damaged after {count} frames ({reason})"
    return kind(trouble, "fetch it again, or trim it before that")
