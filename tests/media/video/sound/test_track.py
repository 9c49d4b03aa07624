"""Sound through `VideoReader` and `VideoWriter`: copied or re-encoded, and in sync."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from _helpers.listening import listen, write_with_sound
from _helpers.media_files import decoded_frames, packet_times, write_test_video
from _helpers.odd_files.sound import FLASH, click, write_video
from _helpers.system import limited_file_size
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from cpabmm_core.errors import ResourceError
from cpabmm_core.media.video import VideoReader, VideoWriter, video_format
from cpabmm_core.media.video.sound import AudioTrack, SoundReport

TONE = 440


def copy_with_sound(source: Path, target: Path) -> Path:
    write_with_sound(source, target)
    return target


def sound_of(path: Path) -> tuple[str, list[bytes]]:
    """Return the codec and the packets without those that only prime the decoder."""
    with av.open(str(path)) as source:
        stream = source.streams.audio[0]
        packets = [p for p in source.demux(stream) if p.dts is not None and not p.is_discard]
        return stream.codec_context.codec.canonical_name, [bytes(packet) for packet in packets]


def tone_bounds(path: Path) -> tuple[float, float]:
    """Return the start and end of the tone in seconds, after checking its pitch."""
    pieces = []
    with av.open(str(path)) as source:
        resampler = av.AudioResampler("flt", "mono", 48000)
        first = None
        for frame in source.decode(audio=0):
            first = frame.time if first is None else first
            pieces += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    assert first is not None
    wave = np.concatenate(pieces)
    loud = np.flatnonzero(np.abs(wave) > 0.1)
    heard = wave[loud[0] : loud[-1]]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert spectrum.argmax() * 48000 / len(heard) == pytest.approx(TONE, rel=0.02)
    return first + loud[0] / 48000, first + loud[-1] / 48000


SOURCES = {
    "aac.mp4": {"audio": True},
    "opus.webm": {"audio": "libopus", "codec": "libvpx-vp9"},
    "pcm.mov": {"audio": "pcm_s16le"},
    "mp3.mkv": {"audio": "libmp3lame"},
    "flac.mkv": {"audio": "flac"},
}
KEPT = {
    ("aac.mp4", ".mp4"): "aac",
    ("aac.mp4", ".mov"): "aac",
    ("aac.mp4", ".mkv"): "aac",
    ("opus.webm", ".webm"): "opus",
    ("opus.webm", ".mkv"): "opus",
    ("opus.webm", ".mp4"): "opus",
    ("pcm.mov", ".mov"): "pcm_s16le",
    ("mp3.mkv", ".mp4"): "mp3",
    ("flac.mkv", ".mp4"): "flac",
}


@pytest.mark.parametrize(("name", "suffix"), KEPT)
def test_packets_are_copied_if_the_container_accepts_them(
    tmp_path: Path, name: str, suffix: str
) -> None:
    source = write_test_video(tmp_path / name, frames=12, **SOURCES[name])  # type: ignore[arg-type]
    target = copy_with_sound(source, tmp_path / f"out{suffix}")
    codec, packets = sound_of(target)
    original_codec, original = sound_of(source)
    assert codec == original_codec == KEPT[name, suffix]
    if codec.startswith("pcm"):
        assert b"".join(packets) == b"".join(original)
    else:
        assert packets == original


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize(("name", "start"), [*((name, 0.3) for name in SOURCES), ("aac.mp4", 0.0)])
def test_sound_stays_in_sync_in_all_containers(
    tmp_path: Path, name: str, suffix: str, start: float
) -> None:
    source = write_test_video(
        tmp_path / name,
        frames=20,
        audio_start=start,
        audio_seconds=0.5,
        **SOURCES[name],  # type: ignore[arg-type]
    )
    target = copy_with_sound(source, tmp_path / f"out{suffix}")
    began, ended = tone_bounds(target)
    began_before, ended_before = tone_bounds(source)
    assert began_before == pytest.approx(start, abs=0.03)
    assert began == pytest.approx(began_before, abs=0.03)
    assert ended == pytest.approx(ended_before, abs=0.03)
    times = [float(time) for time, _ in decoded_frames(target)]
    assert times == pytest.approx([k / 25 for k in range(20)], abs=0.002)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_late_video_keeps_its_offset_to_the_sound(tmp_path: Path, suffix: str) -> None:
    times = [6000 + 512 * k for k in range(20)]
    source = write_test_video(
        tmp_path / "a.mp4",
        pts=times,
        time_base=Fraction(1, 15360),
        audio=True,
        audio_seconds=1.0,
        options={"bf": "0"},
    )
    target = copy_with_sound(source, tmp_path / f"out{suffix}")
    # MKV cannot store the priming packet, and without it the first 10 ms are faint.
    tolerance = 0.003 if suffix == ".mp4" else 0.015
    assert tone_bounds(target)[0] == pytest.approx(tone_bounds(source)[0], abs=tolerance)
    assert float(decoded_frames(target)[0][0]) == pytest.approx(6000 / 15360, abs=0.002)


def test_mpeg_stream_keeps_sound_and_frames_in_sync(tmp_path: Path) -> None:
    source = write_test_video(
        tmp_path / "a.ts",
        container_format="mpegts",
        pts=range(2500, 2520),
        audio=True,
        audio_start=100.2,
    )
    target = copy_with_sound(source, tmp_path / "out.mp4")
    distance = tone_bounds(source)[0] - float(decoded_frames(source)[0][0])
    kept = tone_bounds(target)[0] - float(decoded_frames(target)[0][0])
    assert kept == pytest.approx(distance, abs=0.015)
    assert decoded_frames(target)[0][0] < 0.1


def test_video_that_starts_below_zero_shifts_the_sound(tmp_path: Path) -> None:
    source = write_test_video(tmp_path / "a.mp4", frames=10, audio=True, audio_seconds=0.4)
    target = tmp_path / "out.mp4"
    with (
        VideoReader(source) as reader,
        VideoWriter(target, 64, 48, 25, Fraction(1, 25), audio_from=source) as writer,
    ):
        for number, frame in enumerate(reader):
            writer.write(frame.image, number - 5)
    assert tone_bounds(target)[0] == pytest.approx(tone_bounds(source)[0] + 0.2, abs=0.015)


@pytest.mark.parametrize(("seconds", "frames"), [(2.0, 10), (0.2, 30)])
def test_sound_longer_or_shorter_than_the_video_is_kept_completely(
    tmp_path: Path, seconds: float, frames: int
) -> None:
    source = write_test_video(tmp_path / "a.mp4", frames=frames, audio=True, audio_seconds=seconds)
    target = copy_with_sound(source, tmp_path / "out.mp4")
    assert packet_times(target, "audio") == packet_times(source, "audio")
    assert len(decoded_frames(target)) == frames


def test_sound_and_frames_alternate_in_the_file(tmp_path: Path) -> None:
    source = write_test_video(
        tmp_path / "a.mp4", frames=75, audio=True, options={"preset": "ultrafast"}
    )
    with av.open(str(copy_with_sound(source, tmp_path / "out.mp4"))) as target:
        kinds = [(p.stream.type, p.pos) for p in target.demux() if p.pos is not None and p.size]
    order = [kind for kind, _ in sorted(kinds, key=lambda item: item[1] or 0)]
    changes = sum(a != b for a, b in pairwise(order))
    assert changes > 20


class Recorder:
    """An output that only records when the packets start."""

    def __init__(self, container: OutputContainer) -> None:
        self.container, self.format = container, container.format
        self.times: list[float] = []

    def add_stream_from_template(self, template: AudioStream) -> AudioStream:
        return self.container.add_stream_from_template(template)

    def mux(self, packet: "Packet[AudioStream]") -> None:
        assert packet.dts is not None
        self.times.append(float(packet.dts * packet.time_base))


def test_sound_is_read_only_up_to_the_last_frame(tmp_path: Path) -> None:
    source = write_test_video(tmp_path / "a.mp4", frames=75, audio=True)
    rules = video_format("a.mp4").audio
    assert rules is not None
    with av.open(str(tmp_path / "out.mp4"), "w") as container:
        recorder = Recorder(container)
        reports: list[SoundReport] = []
        track = AudioTrack(source, cast(OutputContainer, recorder), rules, reports.append)
        track.write_until(Fraction(1, 2), Fraction(0))
        assert 0.45 < max(recorder.times) < 0.5
        track.write_until(Fraction(2), Fraction(1))
        assert 1.95 < max(recorder.times) < 2
        track.write_until(None, Fraction(0))
        assert max(recorder.times) > 2.9
        track.close()
        assert reports == [SoundReport("copied")]


def test_source_without_sound_gives_none(tmp_path: Path) -> None:
    source = write_test_video(tmp_path / "a.mp4", frames=3)
    with av.open(str(copy_with_sound(source, tmp_path / "out.mp4"))) as target:
        assert not target.streams.audio


def test_gif_has_no_sound(tmp_path: Path) -> None:
    source = write_test_video(tmp_path / "a.mp4", frames=3, audio=True)
    assert len(decoded_frames(copy_with_sound(source, tmp_path / "out.gif"))) == 3


def test_unusual_rates_and_many_channels_are_converted(tmp_path: Path) -> None:
    source = tmp_path / "a.mkv"
    write_test_video(tmp_path / "v.mkv", frames=10)
    with av.open(str(tmp_path / "v.mkv")) as video, av.open(str(source), "w") as output:
        picture = output.add_stream_from_template(video.streams.video[0])
        sound = output.add_stream("pcm_s32le", rate=12345)
        sound.layout = "5.1"
        output.start_encoding()
        for packet in video.demux(video=0):
            if packet.size:
                packet.stream = picture
                output.mux(packet)
        wave = np.sin(2 * np.pi * TONE * np.arange(4938) / 12345) * 2**29
        frame = av.AudioFrame.from_ndarray(np.repeat(wave.astype(np.int32), 6)[None], "s32", "5.1")
        frame.sample_rate, frame.pts, frame.time_base = 12345, 0, Fraction(1, 12345)
        output.mux([*sound.encode(frame), *sound.encode(None)])
    for suffix in (".mp4", ".webm"):
        target = copy_with_sound(source, tmp_path / f"out{suffix}")
        began, ended = tone_bounds(target)
        assert began == pytest.approx(0, abs=0.03)
        assert ended == pytest.approx(0.4, abs=0.06)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize("start", [0.0, 3600.0])
def test_sound_before_time_zero_is_cut_off(tmp_path: Path, suffix: str, start: float) -> None:
    """All times are moved back to the first frame, which comes after the first sound."""
    source = tmp_path / "a.mp4"
    write_video(source, start=start, video_start=start)
    rules = video_format(f"a{suffix}").audio
    assert rules is not None
    reports: list[SoundReport] = []
    with av.open(str(tmp_path / f"out{suffix}"), "w") as output:
        track = AudioTrack(source, output, rules, reports.append)
        output.start_encoding()
        track.write_until(None, Fraction(-3, 10))
        track.close()
    assert [report.problem for report in reports] == [None]
    heard = listen(tmp_path / f"out{suffix}")
    assert heard.start == pytest.approx(0, abs=0.04)
    assert heard.click == pytest.approx(FLASH - 0.3, abs=0.02)


def test_a_full_disk_is_an_error_of_the_output(tmp_path: Path) -> None:
    source = tmp_path / "a.mov"
    write_video(source, "pcm_s16le", wave=click(seconds=4.0))
    with pytest.raises(ResourceError, match=r"out\.mov: no space left"), limited_file_size(200_000):
        copy_with_sound(source, tmp_path / "out.mov")
