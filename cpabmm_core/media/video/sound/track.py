"""Writing the sound of one file into another, packet by packet and in sync with the frames."""

from __future__ import annotations  # `Packet` takes its parameter only in stubs

import math
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.format import Flags
from av.packet import Packet

from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import one_line
from cpabmm_core.media.video.opening import open_media
from cpabmm_core.media.video.sound.changes import until_change
from cpabmm_core.media.video.sound.layout import has_unusual_order, layout_name
from cpabmm_core.media.video.sound.placement import Placement
from cpabmm_core.media.video.sound.process import encoded_sound
from cpabmm_core.media.video.sound.report import (
    SoundCallback,
    SoundOutcome,
    SoundProblem,
    SoundReport,
)
from cpabmm_core.media.video.sound.streams import OpenSound, open_sound, read_sound
from cpabmm_core.media.video.sound.trial import MuxerTrial, container_accepts
from cpabmm_core.media.video.sound_rules import AudioRules

_ROUNDING = Fraction(1, 1000)
"""Seconds. The unit of the timestamps in Matroska."""
_PRIMING = Fraction(1, 5)
"""Seconds before time zero that a decoder may need; earlier sound is left out."""


class AudioTrack:
    """The sound of a file as a stream of an output, with unchanged timestamps to stay in sync.

    The packets are copied if the container accepts them. Otherwise another process decodes and
    encodes the sound. Whatever is wrong with the sound is reported and never raised: the output
    then has the sound as far as it goes, or none.

    Construction adds the stream, so it must precede the header of the output.

    Args:
        source: the file whose sound to use.
        output: the file to write.
        rules: the sound that the container of the output accepts.
        notify: receives a report when the outcome is known, and again if it changes.

    Raises:
        MediaError: the source cannot be opened.
    """

    def __init__(
        self, source: Path, output: OutputContainer, rules: AudioRules, notify: SoundCallback
    ) -> None:
        self._path, self._output, self._rules, self._notify = source, output, rules, notify
        self._name = " ".join(str(source).splitlines())  # a report is one line
        self._outcome: SoundOutcome = "none"
        self._problem: str | None = None
        self._packets: Iterator[Packet[AudioStream]] = iter(())
        self._next: Packet[AudioStream] | None = None
        self._last: int | None = None
        self._refused = 0
        self._strict = not Flags(output.format.flags) & Flags.ts_nonstrict
        self._stream: AudioStream | None = None
        self._placement: Placement | None = None
        self._stack = ExitStack()
        try:
            self._start()
        except MediaError:
            self.close()
            raise
        except Exception as error:
            self.close()
            self._outcome, self._problem = "left out", self._left_out(one_line(error))
        notify(SoundReport(self._outcome, self._problem))

    def write_until(self, time: Fraction | None, delay: Fraction) -> None:
        """Write the packets that start before a time.

        Args:
            time: the time in seconds; None writes all remaining packets.
            delay: seconds to add to all timestamps.

        Raises:
            FFmpegError: the output cannot be written.
            OSError: likewise.
        """
        if self._stream is None:
            return
        place = self._placement or self._place(self._stream)
        place.shift(delay - self._clock_start)
        end = None if time is None else math.ceil(time / place.base)
        while (packet := self._next or self._advance()) is not None:
            start = place.convert(packet.pts or 0)
            self._next = packet
            if end is not None and start >= end:
                return
            self._next = None
            length = place.length(packet.duration or 0)
            if self._belongs(packet, start, length):
                self._write(packet, start, length, place.base)

    def close(self) -> None:
        """Close the source file."""
        self._packets, self._next = iter(()), None
        self._stack.close()

    def _start(self) -> None:
        sound = open_sound(self._path, self._stack)
        if sound is None:
            return
        if self._can_copy(sound):
            self._outcome = "copied"
        else:
            sound = self._encode(sound.stream.index)
            self._outcome = "encoded"
        self._packets, self._clock_start = until_change(sound.packets, sound.stream), sound.start
        self._trial = self._stack.enter_context(MuxerTrial(sound.stream, self._output.format.name))
        self._unit, self._padding = sound.head[0].time_base, _padding(sound.stream)
        self._stream = self._output.add_stream_from_template(sound.stream)

    def _can_copy(self, sound: OpenSound) -> bool:
        codec = sound.stream.codec_context.codec.canonical_name
        if codec not in self._rules.copied:
            return False
        # Nothing but the container tells the order of the channels of uncompressed sound.
        needs_usual_order = codec.startswith("pcm_") and not self._rules.keeps_order
        if needs_usual_order and has_unusual_order(layout_name(sound.stream.codec_context)):
            return False
        return container_accepts(sound.stream, self._output.format.name, sound.head)

    def _encode(self, index: int) -> OpenSound:
        """Replace the source by a file that another process has encoded."""
        self._stack.close()
        encoded = self._stack.enter_context(encoded_sound(self._path, index, self._rules.encoder))
        container = self._stack.enter_context(open_media(encoded.file))
        sound = read_sound(container, container.streams.audio[0])
        if sound is None:
            raise SoundProblem("there is none")
        if encoded.problem is not None:
            self._problem = self._incomplete(encoded.problem)
        return OpenSound(sound.stream, sound.head, sound.packets, -encoded.start)

    def _advance(self) -> Packet[AudioStream] | None:
        try:
            packet = next(self._packets, None)
        except Exception as error:
            self._packets = iter(())
            self._report(self._incomplete(one_line(error)))
            return None
        if packet is None and self._refused:
            self._report(self._incomplete("parts of it are damaged"))
        return packet

    def _place(self, stream: AudioStream) -> Placement:
        """Return the conversion of timestamps; only the header settles those of the output."""
        assert stream.time_base is not None
        self._placement = Placement(self._unit, stream.time_base)
        earliest = _PRIMING if self._rules.keeps_priming else self._padding
        self._earliest = -math.floor(earliest / stream.time_base)
        return self._placement

    def _belongs(self, packet: Packet[AudioStream], start: int, length: int) -> bool:
        """Return whether a packet is heard, or primes the decoder where that is possible."""
        if start >= 0:
            return not packet.is_discard  # here it would be audible
        if self._rules.keeps_priming:
            return start + length > self._earliest
        return start >= self._earliest and not packet.is_discard

    def _write(self, packet: Packet[AudioStream], start: int, length: int, base: Fraction) -> None:
        if self._last is not None:
            start = max(start, self._last + self._strict)
        packet.pts = packet.dts = start
        packet.duration, packet.time_base = length, base
        try:
            self._trial.mux(packet)
        except (av.FFmpegError, ValueError):
            self._refused += 1
            return
        self._last = start
        assert self._stream is not None
        packet.stream = self._stream
        self._output.mux(packet)

    def _report(self, problem: str) -> None:
        if self._problem is None:
            self._problem = problem
            self._notify(SoundReport(self._outcome, problem))

    def _left_out(self, reason: str) -> str:
        return f"{self._name}: its sound is left out ({reason})"

    def _incomplete(self, reason: str) -> str:
        return f"{self._name}: its sound is not complete ({reason})"


def _padding(stream: AudioStream) -> Fraction:
    """Return the seconds before time zero for which the container itself makes room."""
    context = stream.codec_context
    return Fraction(context.delay, context.sample_rate or 1) + _ROUNDING
