"""Decoding the frames of a video."""

from __future__ import annotations  # `Packet` takes its parameter only in stubs

from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.video.frame import VideoFrame as AvFrame
from av.video.stream import VideoStream

from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import one_line
from cpabmm_core.media.video.library_calls import library_calls


def decode(
    container: InputContainer, stream: VideoStream, path: Path, *, count: int = 0
) -> Iterator[AvFrame]:
    """Decode a stream from the current position of the container, and raise an error on damage.

    A last packet without a frame is accepted, because many files announce one frame more than they
    contain. Frames are decoded one at a time: with several at once FFmpeg loses errors near the end
    and all frames after them.

    Args:
        container: the open file.
        stream: its video stream.
        path: the name of the file, for errors.
        count: number of frames before the current position, for errors.

    Yields:
        The frames in presentation order.

    Raises:
        MediaError: a packet or a frame is damaged; the message states after how many frames.
    """
    failure: str | None = None
    with library_calls(lambda reason: decoding_error(path, count, reason)):
        for packet in container.demux(stream):
            if failure and packet.size:
                raise decoding_error(path, count, failure)
            if is_truncated(packet, container):
                raise decoding_error(path, count, "a packet is truncated")
            try:
                frames = packet.decode()
            except av.FFmpegError as error:
                failure = one_line(error)
                continue
            for frame in frames:
                if frame.is_corrupt:
                    raise decoding_error(path, count, "a frame is corrupt")
                yield frame
                count += 1
    if failure and count == 0:
        raise decoding_error(path, count, failure)


def is_truncated(packet: Packet[VideoStream], container: InputContainer) -> bool:
    """Return whether a packet lacks data.

    MPEG streams also mark every joint between recordings as corrupt, so theirs do not count.
    """
    return packet.is_corrupt and not Flags(container.format.flags) & Flags.ts_discont


def decoding_error(path: Path, count: int, reason: str) -> MediaError:
    """Return the error for a video of which only `count` frames can be decoded."""
    if count == 0:
        return MediaError(
            f"{path}: its first frame cannot be decoded ({reason}); fetch it again, or convert it "
            "to H.264"
        )
    return MediaError(
        f"{path}: damaged after {count} frames ({reason}); fetch it again, or trim it before that"
    )
