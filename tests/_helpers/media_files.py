"""Small videos made with PyAV alone, so that tests of reading and writing know the truth."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

_BITS = 8


def numbered_frame(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """A frame that carries its number as eight black or white columns, highest bit first.

    Survives lossy coding; `number_of` reads it back. The top quarter is red, the bottom quarter
    blue, so that a flipped, rotated or wrongly coloured frame shows.
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
    """The number that `numbered_frame` put into a frame."""
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
    """Write a video of numbered frames, with a 440 Hz tone if asked for.

    Args:
        path: the file; its suffix chooses the container unless `container_format` does.
        frames: number of frames (that of `pts`, if given).
        size: (width, height).
        rate: frames per second, where `pts` is not given.
        pts: timestamps in `time_base` units, for variable rates and late starts.
        time_base: seconds per unit; one frame by default.
        audio: False, True (AAC) or the name of an audio encoder.
        audio_start: time of the first sample, in seconds.
        audio_seconds: length of the sound; that of the video by default.
        codec: video encoder.
        pixels: pixel format.
        options: encoder options.
        container_format: FFmpeg's name of the container.
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
    """Write an MP4 that announces 11 frames, of which the last holds no picture.

    Args:
        path: the file; ``whole.mp4`` beside it is the video without that end.
        duration: how long the missing frame is to be shown, in units of 1/25 s.
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
    """Set the right-angle part (a, b, c, d) of the display matrix of an MP4's first track.

    A player moves the stored pixel (p, q) to (a p + c q, b p + d q); entries are -1, 0 or 1.
    """
    data = bytearray(path.read_bytes())
    header = data.index(b"tkhd")
    start = header + 4 + 4 + 20 + 16  # type, version and flags, times and ids, layer to volume
    a, b, c, d = (value * 0x10000 for value in matrix)
    struct.pack_into(">9i", data, start, a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(bytes(data))


def packet_times(path: Path, kind: str = "video") -> list[Fraction]:
    """Times of all packets of the first stream of a kind, in seconds, sorted."""
    with av.open(str(path)) as source:
        stream = source.streams.get({kind: 0})[0]
        packets = [p for p in source.demux(stream) if not p.is_discard]
        return sorted(p.pts * p.time_base for p in packets if p.pts is not None)


def decoded_frames(path: Path) -> list[tuple[Fraction, int]]:
    """(time in seconds, number in the picture) of every frame, as PyAV decodes them."""
    with av.open(str(path)) as source:
        return [
            (frame.pts * frame.time_base, number_of(frame.to_ndarray(format="rgb24")))
            for frame in source.decode(video=0)
            if frame.pts is not None and frame.time_base is not None
        ]
