"""Copying the sound of one file into another, packet by packet and in sync with the frames."""

from __future__ import annotations  # `Packet` takes its parameter only in stubs

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import one_line
from cpabmm_core.media.video.clock import clock_start
from cpabmm_core.media.video.formats import AudioRules
from cpabmm_core.media.video.opening import open_input

_USUAL_RATE = 48000


class AudioTrack:
    """The sound of a file as a stream of an output, with unchanged timestamps to stay in sync.

    Construction adds the stream, so it must precede the header of the output.

    Args:
        source: the file whose sound to use.
        output: the file to write.
        rules: the sound that the container of the output accepts.

    Raises:
        MediaError: the sound can be neither copied nor decoded.
    """

    def __init__(self, source: Path, output: OutputContainer, rules: AudioRules) -> None:
        self._path = source
        self._output = output
        self._rules = rules
        self._stack = ExitStack()
        self._container = self._stack.enter_context(open_input(source))
        self._input = self._container.streams.audio[0]
        self._clock_start = clock_start(self._container)
        self._next: Packet[AudioStream] | None = None
        try:
            if self._input.codec_context is None:
                raise ValueError("unknown codec")
            self._packets = self._start()
        except (av.FFmpegError, ValueError) as error:
            self.close()
            raise self._unusable(error) from None

    def write_until(self, time: Fraction | None, delay: Fraction) -> None:
        """Write the packets that start before a time.

        Args:
            time: the time in seconds; None writes all remaining packets.
            delay: seconds to add to all timestamps.
        """
        delay -= self._clock_start
        while (packet := self._next or self._advance()) is not None:
            shift = round(delay / packet.time_base)
            pts, dts = (packet.pts or 0) + shift, (packet.dts or 0) + shift
            self._next = packet
            if time is not None and dts * packet.time_base >= time:
                return
            self._next = None
            if packet.is_discard and (pts >= 0 or not self._rules.keeps_priming):
                continue  # it primes the decoder; here it would be audible or delay everything else
            packet.pts, packet.dts = pts, dts
            self._output.mux(packet)

    def close(self) -> None:
        """Close the source file."""
        self._stack.close()

    def _advance(self) -> Packet[AudioStream] | None:
        try:
            return next(self._packets, None)
        except (av.FFmpegError, ValueError) as error:
            raise self._unusable(error) from None

    def _start(self) -> Iterator[Packet[AudioStream]]:
        if self._input.codec_context.codec.canonical_name in self._rules.copied:
            return self._copy_packets(self._output.add_stream_from_template(self._input))
        rate = self._input.codec_context.sample_rate
        if rate not in (av.Codec(self._rules.encoder, "w").audio_rates or [rate]):
            rate = _USUAL_RATE
        stream = self._output.add_stream(self._rules.encoder, rate=rate)
        assert isinstance(stream, AudioStream)
        stream.layout = "mono" if self._input.codec_context.channels == 1 else "stereo"
        return self._encode_packets(stream)

    def _copy_packets(self, stream: AudioStream) -> Iterator[Packet[AudioStream]]:
        last: int | None = None
        for packet in self._container.demux(self._input):
            if not packet.size:
                continue
            packet.dts = packet.pts if packet.dts is None else packet.dts
            packet.pts = packet.dts if packet.pts is None else packet.pts
            if packet.dts is None or (last is not None and packet.dts < last):
                raise ValueError("its clock is missing or restarts")
            last = packet.dts
            packet.stream = stream
            yield packet

    def _encode_packets(self, stream: AudioStream) -> Iterator[Packet[AudioStream]]:
        context = stream.codec_context
        resampler = AudioResampler(
            context.format, context.layout, context.sample_rate, context.frame_size or None
        )
        for decoded in self._container.decode(audio=0):
            for frame in resampler.resample(decoded):
                yield from stream.encode(frame)
        for frame in resampler.resample(None):
            yield from stream.encode(frame)
        yield from stream.encode(None)

    def _unusable(self, error: Exception) -> MediaError:
        return MediaError(
            f"{self._path}: its sound cannot be used ({one_line(error)}); "
            "give a video without sound, or convert its sound to AAC"
        )
