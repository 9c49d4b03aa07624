"""Odd sound fails no video: it is kept as far as it goes, and one line says what is lost."""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from _helpers.listening import listen, listen_in_child, sound_codec, write_with_sound
from _helpers.odd_files import sound as odd
from av.audio.stream import AudioStream
from av.packet import Packet

from cpabmm_core.media.video import FrameIndex, VideoReader, VideoWriter
from cpabmm_core.media.video.sound import SoundReport, streams
from cpabmm_core.media.video.sound.times import steady

FRAMES = 25
FRAME = 0.04
HALF = np.sqrt(0.5)


def frame_times(path: Path) -> list[float]:
    with VideoReader(path) as reader:
        return [float(frame.pts * reader.time_base) for frame in reader]


def write(tmp_path: Path, name: str, make: Callable[[Path], None], suffix: str) -> SoundReport:
    """Make a video and write it with its sound; return the last report. The picture is complete."""
    source, target = tmp_path / name, tmp_path / f"out{suffix}"
    make(source)
    reports = write_with_sound(source, target)
    assert frame_times(target) == pytest.approx(frame_times(source), abs=0.002)
    assert sum(report.problem is not None for report in reports) <= 1
    assert {path.name for path in tmp_path.iterdir()} == {name, f"out{suffix}"}
    return reports[-1]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_film_order_is_mixed_with_every_channel_in_its_place(tmp_path: Path, suffix: str) -> None:
    assert write(tmp_path, "a.mov", odd.make_film_order, suffix) == SoundReport("encoded")
    left, right = listen(tmp_path / f"out{suffix}").levels(6)  # tones of L C R Ls Rs LFE
    assert left == pytest.approx([1, HALF, 0, HALF, 0, 0], abs=0.06)
    assert right == pytest.approx([0, HALF, 1, 0, HALF, 0], abs=0.06)


def test_film_order_is_copied_where_the_container_can_state_it(tmp_path: Path) -> None:
    assert write(tmp_path, "a.mov", odd.make_film_order, ".mov") == SoundReport("copied")
    layout, levels = listen_in_child(tmp_path / "out.mov", 6)
    assert layout == "6 channels (FL+FC+FR+SL+SR+LFE)"
    np.testing.assert_allclose(
        levels, [[1, HALF, 0, HALF, 0, 0], [0, HALF, 1, 0, HALF, 0]], atol=0.02
    )


def test_readers_survive_a_custom_order(tmp_path: Path) -> None:
    odd.make_film_order(tmp_path / "a.mov")
    with VideoReader(tmp_path / "a.mov") as reader:
        assert reader.has_audio
        assert len(list(reader)) == FRAMES
    assert len(FrameIndex(tmp_path / "a.mov")) == FRAMES


def test_ambisonic_sound_is_mixed_from_two_virtual_microphones(tmp_path: Path) -> None:
    assert write(tmp_path, "a.mkv", odd.make_ambisonic, ".mov") == SoundReport("encoded")
    levels = listen(tmp_path / "out.mov").levels(4)
    np.testing.assert_allclose(levels, [[0.5, 0.5, 0, 0]] * 2, atol=0.08)


def test_surround_sound_has_the_levels_of_bs_775(tmp_path: Path) -> None:
    assert write(tmp_path, "a.mkv", odd.make_surround, ".webm") == SoundReport("encoded")
    left, right = listen(tmp_path / "out.webm").levels(8)  # FL FR FC LFE BL BR SL SR
    assert left == pytest.approx([1, 0, HALF, 0, HALF, 0, HALF, 0], abs=0.06)
    assert right == pytest.approx([0, 1, HALF, 0, 0, HALF, 0, HALF], abs=0.06)


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_an_unstated_layout_is_that_of_its_number_of_channels(tmp_path: Path, suffix: str) -> None:
    assert write(tmp_path, "a.mov", odd.make_wrong_layout, suffix) == SoundReport("encoded")
    left, _ = listen(tmp_path / f"out{suffix}").levels(6)
    assert left == pytest.approx([1, 0, HALF, 0, HALF, 0], abs=0.06)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_announced_but_empty_sound_is_left_out(tmp_path: Path, suffix: str) -> None:
    report = write(tmp_path, "a.ts", odd.make_announced, suffix)
    assert report.outcome == "left out"
    assert report.problem == (
        f"{tmp_path / 'a.ts'}: its sound is left out (it is announced, but there is none)"
    )
    assert sound_codec(tmp_path / f"out{suffix}") is None


@pytest.mark.parametrize("make", [odd.make_equal_times, odd.make_backward_times])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_times_that_do_not_increase_are_nudged(
    tmp_path: Path, make: Callable[[Path], None], suffix: str
) -> None:
    report = write(tmp_path, "a.mkv", make, suffix)
    assert report.problem is None
    heard = listen(tmp_path / f"out{suffix}")
    assert heard.click == pytest.approx(odd.FLASH, abs=FRAME)
    assert heard.seconds == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_single_wrong_time_moves_nothing(tmp_path: Path, suffix: str) -> None:
    assert write(tmp_path, "a.mkv", odd.make_stray_time, suffix).problem is None
    heard = listen(tmp_path / f"out{suffix}")
    assert heard.click == pytest.approx(odd.FLASH, abs=FRAME)
    assert heard.seconds == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_a_gap_of_an_hour_stays(tmp_path: Path, suffix: str) -> None:
    assert write(tmp_path, "a.mkv", odd.make_hour_gap, suffix).problem is None
    with av.open(str(tmp_path / f"out{suffix}")) as target:
        times = [float((p.pts or 0) * p.time_base) for p in target.demux(audio=0) if p.size]
    early = [time for time in times if time < 1]
    assert len(times) >= 2 * len(early) - 3 > 20
    assert min(time for time in times if time > 1) == pytest.approx(3600, abs=0.1)


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_an_unstated_rate_is_found(tmp_path: Path, suffix: str) -> None:
    assert write(tmp_path, "a.mov", odd.make_no_rate, suffix).problem is None
    assert listen(tmp_path / f"out{suffix}").click == pytest.approx(odd.FLASH, abs=FRAME)


def test_sound_of_an_unknown_codec_is_left_out(tmp_path: Path) -> None:
    report = write(tmp_path, "a.avi", odd.make_unknown_codec, ".mp4")
    assert report.outcome == "left out"
    assert "a.avi: its sound is left out (its codec is unknown)" in str(report.problem)


def test_sound_whose_header_the_container_refuses_is_encoded(tmp_path: Path) -> None:
    assert write(tmp_path, "a.mkv", odd.make_slow_mp3, ".mp4") == SoundReport("encoded")
    assert sound_codec(tmp_path / "out.mp4") == "aac"
    assert listen(tmp_path / "out.mp4").click == pytest.approx(odd.FLASH, abs=FRAME)


def test_damaged_packets_become_silence_of_the_same_length(tmp_path: Path) -> None:
    report = write(tmp_path, "a.mkv", odd.make_damaged_flac, ".webm")
    assert report.outcome == "encoded"
    assert "its sound is not complete (parts of it are damaged)" in str(report.problem)
    heard = listen(tmp_path / "out.webm")
    assert heard.seconds == pytest.approx(1, abs=0.06)
    loud = np.abs(heard.wave[0]) > 0.03
    assert loud[: len(loud) // 4].mean() > 0.5 < loud[-len(loud) // 3 :].mean()


def test_sound_without_a_decodable_packet_is_left_out(tmp_path: Path) -> None:
    report = write(tmp_path, "a.mkv", odd.make_only_damage, ".webm")
    assert report.outcome == "left out"
    assert "its sound is left out (it cannot be decoded: Invalid data" in str(report.problem)
    assert sound_codec(tmp_path / "out.webm") is None


def test_a_packet_that_the_muxer_refuses_does_not_reach_the_output(tmp_path: Path) -> None:
    report = write(tmp_path, "a.mkv", odd.make_damaged_eac3, ".mp4")
    assert report.outcome == "copied"
    assert "its sound is not complete (parts of it are damaged)" in str(report.problem)
    assert len(audio_packets(tmp_path / "out.mp4")) == len(audio_packets(tmp_path / "a.mkv")) - 1


def audio_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as source:
        return [bytes(packet) for packet in source.demux(audio=0) if packet.size]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_copy_ends_where_the_format_changes(tmp_path: Path, suffix: str) -> None:
    report = write(tmp_path, "a.ts", odd.make_changed_rate, suffix)
    assert report.outcome == "copied"
    assert "its sound is not complete (its format changes midway)" in str(report.problem)
    assert listen(tmp_path / f"out{suffix}").seconds == pytest.approx(1, abs=0.06)


def test_encoding_follows_a_change_of_format(tmp_path: Path) -> None:
    assert write(tmp_path, "a.ts", odd.make_changed_rate, ".webm") == SoundReport("encoded")
    wave = np.abs(listen(tmp_path / "out.webm").wave).max(axis=0)
    clicks = np.flatnonzero(np.diff(np.flatnonzero(wave > 0.2)) > 4800)
    assert len(clicks) == 1  # two clicks, in the sound of either rate
    loud = np.flatnonzero(wave > 0.2)
    assert (loud[-1] - loud[0]) / 48000 == pytest.approx(1.005, abs=FRAME)


def test_the_default_of_several_tracks_is_used(tmp_path: Path) -> None:
    assert write(tmp_path, "a.mkv", odd.make_second_is_default, ".mkv") == SoundReport("copied")
    assert sound_codec(tmp_path / "out.mkv") == "aac"


def test_an_unreadable_end_of_the_sound_keeps_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk error, or anything else that a library raises, in the middle of the input."""

    def failing(packets: "Iterable[Packet[AudioStream]]") -> "Iterator[Packet[AudioStream]]":
        for number, packet in enumerate(steady(packets)):
            if number == 20:
                raise RuntimeError("boom")
            yield packet

    monkeypatch.setattr(streams, "steady", failing)
    report = write(tmp_path, "a.mp4", odd.write_video, ".mp4")
    assert "a.mp4: its sound is not complete (boom)" in str(report.problem)
    assert len(audio_packets(tmp_path / "out.mp4")) == 20


def test_nothing_is_reported_for_a_video_without_sound(tmp_path: Path) -> None:
    odd.write_video(tmp_path / "a.mp4", None)
    assert write_with_sound(tmp_path / "a.mp4", tmp_path / "o.mp4") == [SoundReport("none")]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize("start", [0, 0.2, 100.2])
@pytest.mark.parametrize("source", ["a.mp4", "a.ts", "a.mkv"])
def test_a_click_and_a_flash_stay_together(
    tmp_path: Path, source: str, start: float, suffix: str
) -> None:
    """With B-frames, a late start, the clock of an MPEG stream and priming before zero."""
    odd.write_video(
        tmp_path / source,
        codec="libx264",
        video_options={"bf": "2", "b_strategy": "0"},
        container={".ts": "mpegts"}.get(Path(source).suffix),
        start=start,
        video_start=start,
    )
    [report] = write_with_sound(tmp_path / source, tmp_path / f"out{suffix}")
    assert report.problem is None
    assert_together(tmp_path / f"out{suffix}")


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize("delay", [-0.2, 0.2])
def test_a_click_and_a_flash_are_moved_together(tmp_path: Path, suffix: str, delay: float) -> None:
    """Frames that begin below zero are shifted to zero, and the sound with them."""
    odd.write_video(tmp_path / "a.mp4")
    with (
        VideoReader(tmp_path / "a.mp4") as reader,
        VideoWriter(
            tmp_path / f"out{suffix}", 64, 48, 25, reader.time_base, audio_from=tmp_path / "a.mp4"
        ) as writer,
    ):
        frames = [(f.image, f.pts) for f in reader]
        offset = round(Fraction(delay).limit_denominator(100) / reader.time_base)
        for image, pts in frames:
            writer.write(image, pts + offset)
    [flash] = flashes(tmp_path / f"out{suffix}")
    click = listen(tmp_path / f"out{suffix}").click
    # The sound keeps its own clock: only the shift to zero, of 0.2 s, moves it.
    assert click == pytest.approx(odd.FLASH + max(0, -delay), abs=FRAME)
    assert flash == pytest.approx(odd.FLASH + max(0, delay), abs=0.002)


def flashes(path: Path) -> list[float]:
    with VideoReader(path) as reader:
        return [float(f.pts * reader.time_base) for f in reader if f.image.mean() > 150]


def assert_together(path: Path) -> None:
    [flash] = flashes(path)
    assert listen(path).click == pytest.approx(flash, abs=FRAME)
