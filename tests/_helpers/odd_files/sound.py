"""Small videos whose sound is odd, each made by code.

The picture is 64 x 48, 25 frames per second, with a white flash at `FLASH` seconds. Usual sound is
silent but for a click at the same time.
"""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

FLASH = 0.4
RATE = 48000
_FRAMES = 25
_FILM_ORDER = (123 << 16) | 6  # kAudioChannelLayoutTag_MPEG_5_1_C: L C R Ls Rs LFE
_STEREO = (101 << 16) | 2


def click(rate: int = RATE, seconds: float = 1.0) -> np.ndarray:
    """Return mono samples: a burst of 5 ms at `FLASH`, else silence."""
    wave = np.zeros(round(seconds * rate))
    start, length = round(FLASH * rate), round(0.005 * rate)
    wave[start : start + length] = 0.8 * np.sin(2 * np.pi * 1000 * np.arange(length) / rate)
    return wave


def tones(channels: int, seconds: float = 1.0) -> np.ndarray:
    """Return samples (C, N); channel c is a tone of 300 + 200 c Hz with amplitude 0.1."""
    time = np.arange(round(seconds * RATE)) / RATE
    return np.stack([0.1 * np.sin(2 * np.pi * (300 + 200 * c) * time) for c in range(channels)])


def write_video(
    path: Path,
    encoder: str | None = "aac",
    *,
    wave: np.ndarray | None = None,
    rate: int = RATE,
    layout: str = "mono",
    start: float = 0.0,
    video_start: float = 0.0,
    frames: int = _FRAMES,
    codec: str = "mpeg4",
    video_options: dict[str, str] | None = None,
    audio_options: dict[str, str] | None = None,
    container: str | None = None,
    audio_frame: int = 1024,
) -> None:
    """Write a video.

    Args:
        path: output file; its suffix determines the container unless `container` is given.
        encoder: FFmpeg's name of the encoder of the sound; None writes no sound.
        wave: samples (N,) for all channels, or (C, N); a click by default.
        rate: samples per second.
        layout: FFmpeg's name of the channel layout.
        start: time of the first sample in seconds.
        video_start: time of the first frame in seconds.
        frames: number of frames.
        codec: encoder of the picture.
        video_options: options of this encoder.
        audio_options: options of the encoder of the sound.
        container: FFmpeg's name of the container.
        audio_frame: samples to encode at a time, where the encoder leaves the choice.
    """
    with av.open(str(path), "w", format=container) as output:
        video = output.add_stream(codec, 25, options=video_options or {})
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound: AudioStream | None = None
        if encoder is not None:
            added = output.add_stream(encoder, rate=rate, options=audio_options or {})
            assert isinstance(added, AudioStream)
            sound = added
            sound.layout = layout
        output.start_encoding()
        for number in range(frames):
            image = np.full((48, 64, 3), 255 if number == round(FLASH * 25) else 40, np.uint8)
            frame = av.VideoFrame.from_ndarray(image).reformat(format="yuv420p")
            frame.pts, frame.time_base = number + round(video_start * 25), Fraction(1, 25)
            output.mux(video.encode(frame))
            if sound is not None and number == 0:
                wave = click(rate) if wave is None else wave
                _write_sound(output, sound, wave, start, audio_frame)
        output.mux(video.encode(None))


def _write_sound(
    output: OutputContainer, sound: AudioStream, wave: np.ndarray, start: float, step: int
) -> None:
    rate = sound.codec_context.sample_rate
    layout = sound.codec_context.layout
    if wave.ndim == 1:
        wave = np.tile(wave, (layout.nb_channels, 1))
    step = sound.codec_context.frame_size or step
    resampler = av.AudioResampler(sound.codec_context.format, layout, rate)
    for first in range(0, wave.shape[1], step):
        block = np.ascontiguousarray(wave[:, first : first + step].T.reshape(1, -1), np.float32)
        frame = av.AudioFrame.from_ndarray(block, "flt", layout)
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = round(start * rate) + first
        for piece in resampler.resample(frame):
            output.mux(sound.encode(piece))
    output.mux(sound.encode(None))


def _set_layout_tag(path: Path, tag: int) -> None:
    """Set the tag in the ``chan`` atom of a QuickTime file."""
    data = bytearray(path.read_bytes())
    struct.pack_into(">L", data, data.index(b"chan") + 8, tag)
    path.write_bytes(bytes(data))


def _replace(path: Path, old: bytes, new: bytes, count: int = 1) -> None:
    data = path.read_bytes()
    assert data.count(old) >= 1, old
    path.write_bytes(data.replace(old, new, count))


def make_film_order(path: Path) -> None:
    """Write a MOV with 5.1 PCM in film order, a custom order. A tone per channel tells them apart.

    In the order of the file, the tones of 300, 500, ... Hz are L, C, R, Ls, Rs and LFE.
    """
    write_video(path, "pcm_s16le", wave=tones(6), layout="5.1", container="mov")
    _set_layout_tag(path, _FILM_ORDER)


def make_ambisonic(path: Path) -> None:
    """Write an MKV with first-order ambisonic Opus (W Y Z X), a tone per channel."""
    write_video(
        path,
        "libopus",
        wave=tones(4),
        layout="ambisonic 1",
        audio_options={"mapping_family": "2"},
        container="matroska",
    )


def make_wrong_layout(path: Path) -> None:
    """Write a MOV whose six channels claim to be stereo."""
    write_video(path, "pcm_s16le", wave=tones(6), layout="5.1", container="mov")
    _set_layout_tag(path, _STEREO)


def make_announced(path: Path) -> None:
    """Write an MPEG-TS that announces sound and holds none."""
    write_video(path, container="mpegts")
    data = path.read_bytes()
    packets = [data[k : k + 188] for k in range(0, len(data), 188)]
    path.write_bytes(b"".join(p for p in packets if (p[1] & 31) << 8 | p[2] != 0x101))


def _move_block(path: Path, number: int, change: int) -> None:
    """Add milliseconds to the timestamp of a block of sound in a Matroska file."""
    with av.open(str(path)) as source:
        packets = [p for p in source.demux(audio=0) if p.size]
        track = source.streams.audio[0].index + 1
    spot = packets[number].pos
    assert spot is not None
    data = bytearray(path.read_bytes())
    spot = data.index(bytes((0x80 | track,)), spot)
    (time,) = struct.unpack_from(">h", data, spot + 1)
    struct.pack_into(">h", data, spot + 1, time + change)
    path.write_bytes(bytes(data))


def make_equal_times(path: Path) -> None:
    """Write an MKV with two packets of sound at the same time; blocks last 21 ms."""
    write_video(path, container="matroska")
    _move_block(path, 15, -21)


def make_backward_times(path: Path) -> None:
    """Write an MKV with a packet of sound 10 ms before its predecessor."""
    write_video(path, container="matroska")
    _move_block(path, 15, -31)


def make_stray_time(path: Path) -> None:
    """Write an MKV with a packet of sound that claims to be 25 s later."""
    write_video(path, container="matroska")
    _move_block(path, 15, 25000)


def make_hour_gap(path: Path, encoder: str = "aac") -> None:
    """Write an MKV whose sound falls silent after 0.5 s, for an hour."""
    with av.open(str(path), "w", format="matroska") as output:
        video = output.add_stream("mpeg4", 25)
        assert isinstance(video, VideoStream)
        video.width, video.height = 64, 48
        sound = output.add_stream(encoder, rate=RATE)
        assert isinstance(sound, AudioStream)
        sound.layout = "mono"
        for start in (0, 3600):
            for number in range(12):
                image = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8))
                image.pts, image.time_base = start * 25 + number, Fraction(1, 25)
                output.mux(video.encode(image.reformat(format="yuv420p")))
                block = tones(1, 0.04).astype(np.float32)
                frame = av.AudioFrame.from_ndarray(block, "fltp", "mono")
                frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
                frame.pts = start * RATE + number * 1920
                output.mux(sound.encode(frame))
        output.mux(video.encode(None))
        output.mux(sound.encode(None))


def make_no_rate(path: Path) -> None:
    """Write a MOV whose header states a rate of 0 samples per second."""
    write_video(path, "pcm_s16le", container="mov")
    data = bytearray(path.read_bytes())
    entry = data.index(b"sowt")
    assert data[entry + 28 : entry + 32] == struct.pack(">L", RATE << 16)
    data[entry + 28 : entry + 32] = bytes(4)
    path.write_bytes(bytes(data))


def make_unknown_codec(path: Path) -> None:
    """Write an AVI whose sound has a codec that nobody knows."""
    write_video(path, "pcm_s16le", container="avi")
    header = struct.pack("<HHL", 1, 1, RATE)
    _replace(path, header, struct.pack("<HHL", 0x5A5A, 1, RATE))


def make_slow_mp3(path: Path) -> None:
    """Write an MKV with MP3 of 8000 samples per second, which the MP4 muxer refuses."""
    write_video(path, "libmp3lame", rate=8000, container="matroska")


def make_damaged_flac(path: Path) -> None:
    """Write an MKV whose FLAC packets are damaged in the middle."""
    write_video(path, "flac", wave=tones(1), container="matroska")
    with av.open(str(path)) as source:
        spots = [p.pos for p in source.demux(audio=0) if p.pos is not None and p.size > 100]
    data = bytearray(path.read_bytes())
    for spot in spots[4:7]:
        data[spot + 16 : spot + 80] = bytes(64)
    path.write_bytes(bytes(data))


def make_only_damage(path: Path) -> None:
    """Write an MKV in which every FLAC packet is damaged."""
    write_video(path, "flac", wave=tones(1), container="matroska")
    with av.open(str(path)) as source:
        sizes = [(p.pos, p.size) for p in source.demux(audio=0) if p.pos is not None]
    data = bytearray(path.read_bytes())
    for spot, size in sizes:
        data[spot + 8 : spot + 4 + size] = bytes(size - 4)
    path.write_bytes(bytes(data))


def make_damaged_eac3(path: Path) -> None:
    """Write an MKV with a damaged packet of E-AC-3, which the MP4 muxer refuses when it gets it."""
    write_video(path, "eac3", wave=tones(1), container="matroska")
    with av.open(str(path)) as source:
        packet = [p for p in source.demux(audio=0) if p.size][10]
        content = bytes(packet)
    _replace(path, content, bytes(len(content)))


def make_changed_rate(path: Path) -> None:
    """Write an MPEG-TS whose AAC changes from 48 kHz to 32 kHz after one second."""
    first, second = path.with_name("first.ts"), path.with_name("second.ts")
    write_video(first, container="mpegts")
    write_video(second, rate=32000, start=1.0, video_start=1.0, container="mpegts")
    path.write_bytes(first.read_bytes() + second.read_bytes())
    first.unlink()
    second.unlink()


def make_second_is_default(path: Path) -> None:
    """Write an MKV with two tracks of sound, FLAC and AAC, of which the second is the default."""
    one, two = path.with_name("one.mkv"), path.with_name("two.mkv")
    write_video(one, "flac")
    write_video(two, "aac")
    with av.open(str(one)) as first, av.open(str(two)) as second, av.open(str(path), "w") as out:
        picture = out.add_stream_from_template(first.streams.video[0])
        flac = out.add_stream_from_template(first.streams.audio[0])
        aac = out.add_stream_from_template(second.streams.audio[0])
        flac.disposition = 0  # type: ignore[assignment]
        aac.disposition = 1  # type: ignore[assignment]
        for source, streams in (
            (first, {"video": picture, "audio": flac}),
            (second, {"audio": aac}),
        ):
            for packet in source.demux():
                if packet.size and packet.stream.type in streams:
                    packet.stream = streams[packet.stream.type]
                    out.mux(packet)
    one.unlink()
    two.unlink()


def make_surround(path: Path) -> None:
    """Write an MKV with 7.1 PCM, a tone per channel."""
    write_video(path, "pcm_s16le", wave=tones(8), layout="7.1", container="matroska")
