"""A muxer whose output goes nowhere, to try out sound before it reaches the real output."""

from __future__ import annotations  # `Packet` takes its parameter only in stubs

import io
from collections.abc import Iterable
from contextlib import suppress
from typing import Self, cast

import av
from av.audio.stream import AudioStream
from av.packet import Packet


class Nowhere(io.RawIOBase):
    """A seekable file that forgets what is written to it."""

    def __init__(self) -> None:
        self._position = self._size = 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: object) -> int:
        """Forget the data and return their length."""
        length = memoryview(data).nbytes  # type: ignore[arg-type]
        self._position += length
        self._size = max(self._size, self._position)
        return length

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move and return the position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position


class MuxerTrial:
    """A muxer that receives the sound alone, so that what it refuses spoils no output.

    In the real output an error about a packet may come much later, from a frame or from the end of
    the file, when nobody can tell its origin.

    Args:
        template: the stream to copy.
        muxer: FFmpeg's name of the container.

    Raises:
        FFmpegError: the container refuses the parameters of the stream.
        ValueError: the container cannot hold the codec.
    """

    def __init__(self, template: AudioStream, muxer: str) -> None:
        self._container = av.open(Nowhere(), "w", format=muxer)
        try:
            self._stream = self._container.add_stream_from_template(template)
            self._container.start_encoding()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Return the trial."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the muxer."""
        self.close()

    def mux(self, packet: Packet[AudioStream]) -> None:
        """Try a packet, which keeps its data and its timestamps in seconds.

        Raises:
            FFmpegError: the muxer refuses the packet.
        """
        packet.stream = self._stream
        self._container.mux(packet)

    def finish(self) -> None:
        """Write the end of the file.

        Raises:
            FFmpegError: the muxer refuses it.
        """
        self._container.close()

    def close(self) -> None:
        """Close the muxer, whatever it thinks of the end of the file."""
        with suppress(av.FFmpegError, ValueError, OSError):
            self._container.close()


def container_accepts(
    template: AudioStream, muxer: str, packets: Iterable[Packet[AudioStream]]
) -> bool:
    """Return whether a container accepts a stream: its parameters, first packets and end."""
    try:
        with MuxerTrial(template, muxer) as trial:
            for number, packet in enumerate(packets):
                copy = cast("Packet[AudioStream]", Packet(bytes(packet)))
                copy.time_base, copy.is_keyframe = packet.time_base, True
                copy.pts = copy.dts = number * (packet.duration or 1)
                trial.mux(copy)
            trial.finish()
    except (av.FFmpegError, ValueError, OSError):
        return False
    return True
