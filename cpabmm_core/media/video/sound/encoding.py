"""Decoding a track of sound and encoding it without gaps."""

from __future__ import annotations  # `Packet` takes its parameter only in stubs

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import BinaryIO

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet

from cpabmm_core.files.checks import one_line
from cpabmm_core.media.video.sound.mix import Mixer, output_layout, silence
from cpabmm_core.media.video.sound.report import SoundProblem
from cpabmm_core.media.video.sound.streams import OpenSound

CONTAINER = "mp4"
"""FFmpeg's name of the container of encoded sound. It holds any encoder's sound, and no rounding of
its timestamps disturbs it."""
_USUAL_RATE = 48000
_JITTER = Fraction(1, 10)
"""Seconds. Smaller deviations of timestamps are imprecision."""
_LONGEST_SILENCE = 60
"""Seconds. A longer gap is not filled with silence, but left to the timestamps."""


def encode_sound(sound: OpenSound, file: BinaryIO, encoder: str) -> tuple[Fraction, str | None]:
    """Decode a track and encode it as mono or stereo, with its first sample at time zero.

    Args:
        sound: the track.
        file: the file to write.
        encoder: FFmpeg's name of the encoder.

    Returns:
        The time in seconds of the first sample, and what was lost, or None.

    Raises:
        SoundProblem: nothing can be decoded.
    """
    decoder = _Decoder(sound)
    problem: str | None = None
    encoding: _Encoding | None = None
    try:
        for frame, time in decoder.frames():
            encoding = encoding or _Encoding(file, encoder, frame, time or Fraction(0))
            encoding.write(frame, time)
    except (SoundProblem, av.FFmpegError, ValueError, OSError) as error:
        if encoding is None:
            raise SoundProblem(one_line(error)) from None
        problem = one_line(error)
    if encoding is None:
        raise SoundProblem(f"it cannot be decoded: {decoder.error or 'there is none'}")
    encoding.finish()
    return encoding.start, problem or (decoder.error and "parts of it are damaged")


class _Decoder:
    """Decodes a track and passes over packets that cannot be decoded."""

    def __init__(self, sound: OpenSound) -> None:
        self._sound = sound
        self.error: str | None = None
        """The last error of the decoder."""

    def frames(self) -> Iterator[tuple[AudioFrame, Fraction | None]]:
        """Yield each frame and its time in seconds, if known."""
        for packet in self._sound.packets:
            yield from self._decode(packet)
        yield from self._decode(None)

    def _decode(
        self, packet: Packet[AudioStream] | None
    ) -> Iterator[tuple[AudioFrame, Fraction | None]]:
        try:
            frames = self._sound.stream.decode(packet)
        except av.FFmpegError as error:
            self.error = one_line(error)
            return
        for frame in frames:
            if frame.samples and frame.sample_rate:
                yield frame, self._time(frame)

    def _time(self, frame: AudioFrame) -> Fraction | None:
        if frame.pts is None or frame.time_base is None:
            return None
        return frame.pts * frame.time_base - self._sound.start


class _Encoding:
    """Encodes frames one after the other, so that the number of samples tells the time."""

    def __init__(self, file: BinaryIO, encoder: str, first: AudioFrame, start: Fraction) -> None:
        self.start = self._end = start
        rate = first.sample_rate
        if rate not in (av.Codec(encoder, "w").audio_rates or [rate]):
            rate = _USUAL_RATE
        self._container = av.open(file, "w", format=CONTAINER)
        stream = self._container.add_stream(encoder, rate=rate)
        assert isinstance(stream, AudioStream)
        self._stream, self._rate, self._layout = stream, rate, output_layout(first)
        stream.layout = self._layout
        # In 16 bits, FFmpeg lowers a mix by 8 dB so that it can never clip.
        formats = stream.codec_context.codec.audio_formats or []
        stream.format = next((f for f in formats if "flt" in f.name), stream.format)
        self._container.start_encoding()
        self._format = stream.codec_context.format.name
        self._mixer = Mixer(self._format, self._layout, rate)
        self._position = 0

    def write(self, frame: AudioFrame, time: Fraction | None) -> None:
        """Encode a frame; fill a gap before it, and leave it out if its time has passed."""
        deviation = Fraction(0) if time is None else time - self._end
        if deviation < -_JITTER:
            return
        if deviation > _JITTER:
            self._encode(self._mixer.flush())
            self._end += deviation
            self._skip(round((self._end - self.start) * self._rate) - self._position)
        self._end += Fraction(frame.samples, frame.sample_rate)
        self._encode(self._mixer.convert(frame))

    def finish(self) -> None:
        """Encode the remaining samples and write the end of the file."""
        self._encode(self._mixer.flush())
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def _skip(self, samples: int) -> None:
        if samples > _LONGEST_SILENCE * self._rate:
            padding = -self._position % (self._stream.codec_context.frame_size or 1)
            self._encode(self._silence(padding))
            self._position += samples - padding
        else:
            self._encode(self._silence(samples))

    def _silence(self, samples: int) -> Iterator[AudioFrame]:
        for done in range(0, samples, self._rate):
            length = min(self._rate, samples - done)
            yield silence(self._format, self._layout, self._rate, length)

    def _encode(self, frames: Iterable[AudioFrame]) -> None:
        for frame in frames:
            frame.pts, frame.time_base = self._position, Fraction(1, self._rate)
            self._position += frame.samples
            self._container.mux(self._stream.encode(frame))
