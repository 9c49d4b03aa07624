"""Small videos written with PyAV alone, as ground truth for tests of reading and writing."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from cpabmm_core.media.video.priority import ordinary_priority

_BITS = 8


def numbered_frame(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """Return a frame that encodes its number as eight black or white columns, highest bit first.

    The number survives lossy compression, and `number_of` decodes it. The top quarter is red and
    the bottom quarter blue, which reveals flipped, rotated or wrongly coloured frames.
    """
    bits = [(number >> (_BITS - 1 - k)) & 1 for k in range(_BITS)]
    row = np.array([bits[x * _BITS // width] for x in range(width)], dtype=np.uint8) * 255
    image = np.broadcast_to(row[None, :, None], (height, width, 3)).copy()
    image[: height // 4] = (220, 30, 30)
    image[height - height // 4 :] = (30, 30, 220)
    return image


def number_of(
    image: np.ndarray,  # (H, W, 3) uint8
) -> int:
    """Decode the number of a frame from `numbered_frame`."""
    height, width = image.shape[:2]
    row = image[height * 3 // 8 : height * 5 // 8].mean(axis=(0, 2))
    bits = [row[int((k + 0.5) * width / _BITS)] > 127 for k in range(_BITS)]
    return sum(int(bit) << (_BITS - 1 - k) for k, bit in enumerate(bits))


def write_test_video(
    path: Path,
    *,
    frames: int = 10,
    size: tuple[int, int] = (64, 48),
    rate: Fraction | int = 25,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    audio: bool | str = False,
    audio_start: float = 0.0,
    audio_seconds: float | None = None,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    container_format: str | None = None,
) -> Path:
    """Write a video of numbered frames, optionally with a 440 Hz tone.

    Args:
        path: output file; its suffix determines the container unless `container_format` is given.
        frames: number of frames; ignored if `pts` is given.
        size: (width, height).
        rate: frames per second; ignored if `pts` is given.
        pts: timestamps in `time_base` units, for variable rates and late starts.
        time_base: seconds per unit; the duration of a frame by default.
        audio: False, True (AAC) or the name of an audio encoder.
        audio_start: time of the first sample, in seconds.
        audio_seconds: duration of the sound; the duration of the video by default.
        codec: video encoder.
        pixels: pixel format.
        options: encoder options.
        container_format: name of the container in FFmpeg.
    """
    base = time_base or 1 / Fraction(rate)
    times = list(pts) if pts is not None else list(range(frames))
    seconds = float((times[-1] - times[0] + 1) * base) if times else 0.0
    with av.open(str(path), "w", format=container_format) as output:
        video = output.add_stream(codec, Fraction(rate), options=options or {})
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = *size, pixels
        video.codec_context.time_base = base
        sound = _add_sound(output, "aac" if audio is True else audio) if audio else None
        with ordinary_priority():
            output.start_encoding()
        for number, time in enumerate(times):
            image = numbered_frame(number, *size)
            frame = av.VideoFrame.from_ndarray(image).reformat(format=pixels)
            frame.pts, frame.time_base = time, base
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        if sound:
            _write_tone(output, sound, audio_start, audio_seconds or seconds)
    return path


def _add_sound(output: OutputContainer, codec: str) -> AudioStream:
    sound = output.add_stream(codec, rate=48000)
    assert isinstance(sound, AudioStream)
    sound.layout = "mono"
    return sound


def _write_tone(output: OutputContainer, sound: AudioStream, start: float, seconds: float) -> None:
    step = sound.codec_context.frame_size or 1024
    rate = 48000
    resampler = av.AudioResampler(sound.codec_context.format, "mono", rate, step)
    for first in range(0, max(step, int(seconds * rate)), step):
        wave = np.sin(2 * np.pi * 440 * (first + np.arange(step)) / rate)
        frame = av.AudioFrame.from_ndarray((wave * 12000).astype(np.int16)[None], "s16", "mono")
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = round(start * rate) + first
        for piece in resampler.resample(frame):
            output.mux(sound.encode(piece))
    output.mux(sound.encode(None))


def write_video_with_empty_end(path: Path, duration: int = 1) -> Path:
    """Write an MP4 with 11 packets, of which the last contains no frame.

    Args:
        path: output file. ``whole.mp4`` in the same folder is the video without the last packet.
        duration: duration of the missing frame, in units of 1/25 s.
    """
    whole = write_test_video(path.with_name("whole.mp4"), frames=10, options={"bf": "0"})
    with av.open(str(whole)) as source, av.open(str(path), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                output.mux(packet)
        delimiter = av.Packet(b"\0\0\0\2\x09\xf0")
        delimiter.stream, delimiter.time_base = stream, Fraction(1, 25)
        delimiter.pts = delimiter.dts = 10
        delimiter.duration = duration
        output.mux(delimiter)
    return path


def rotate_by_metadata(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Set the linear part (a, b, c, d) of the display matrix of the first track of an MP4.

    A player moves the stored pixel (p, q) to (a p + c q, b p + d q). Entries are -1, 0 or 1.
    """
    data = bytearray(path.read_bytes())
    header = data.index(b"tkhd")
    start = header + 4 + 4 + 20 + 16  # type, version and flags, times and ids, layer to volume
    a, b, c, d = (value * 0x10000 for value in matrix)
    struct.pack_into(">9i", data, start, a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(bytes(data))


def packet_times(path: Path, kind: str = "video") -> list[Fraction]:
    """Return the sorted times, in seconds, of all packets of the first stream of a kind."""
    with av.open(str(path)) as source:
        stream = source.streams.get({kind: 0})[0]
        packets = [p for p in source.demux(stream) if not p.is_discard]
        return sorted(p.pts * p.time_base for p in packets if p.pts is not None)


def decoded_frames(path: Path) -> list[tuple[Fraction, int]]:
    """Return the time in seconds and the encoded number of each frame, as PyAV decodes it."""
    with av.open(str(path)) as source:
        return [
            (frame.pts * frame.time_base, number_of(frame.to_ndarray(format="rgb24")))
            for frame in source.decode(video=0)
            if frame.pts is not None and frame.time_base is not None
        ]
