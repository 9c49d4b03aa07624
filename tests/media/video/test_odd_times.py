"""Empty frames, timestamps that are out of order, and recordings that start late or early."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from _helpers.listening import write_with_sound
from _helpers.media_files import decoded_frames, number_of, packet_times, write_test_video
from _helpers.odd_files import display as odd

from cpabmm_core.errors import MediaError
from cpabmm_core.media.video import FrameIndex, VideoReader


@pytest.mark.parametrize("name", odd.READABLE)
def test_index_and_reader_agree_on_every_frame(tmp_path: Path, name: str) -> None:
    make, count = odd.READABLE[name]
    make(tmp_path / name)
    with VideoReader(tmp_path / name) as reader:
        frames = list(reader)
    index = FrameIndex(tmp_path / name)
    assert len(index) == len(frames) == count
    for number in np.random.default_rng(1).permutation(count).tolist():
        np.testing.assert_array_equal(index.read([number])[0], frames[number].image)
    assert index.find_damage() == {}
    assert all(b.pts > a.pts for a, b in pairwise(frames))
    assert all(a.duration == b.pts - a.pts for a, b in pairwise(frames))


TWELVE, TEN = [(k, k) for k in range(12)], [(k, k) for k in range(10)]

SLOTS: dict[str, Sequence[tuple[int, int]]] = {
    "dropped-frames.avi": [*((k, k) for k in range(4)), *((k, k + 1) for k in range(4, 10))],
    "empty-samples.mp4": [(k, k) for k in (0, 1, 2, 5, 6, 7)],
    "uncoded-vops.mp4": [(k, k) for k in range(12) if k not in (4, 5)],
    "without-picture.mp4": [(k, k) for k in range(12) if k not in (4, 5)],
    "without-picture.mkv": [(k, k) for k in range(12) if k not in (4, 5)],
    "packed-divx.avi": TWELVE,
    "hidden-vp8.webm": [(k, k) for k in range(12) if k not in (4, 5)],
    "b-frames.avi": TWELVE,
    "without-clock.avi": TEN,
    "million.avi": TEN,
    "repeated-times.mkv": TEN,
    "equal-times.mkv": TEN,
    "early-start.mkv": TEN,
    "wrapping.ts": TWELVE,
    "late-start.mp4": TEN,
    "late-start.mkv": TEN,
    "late-start.webm": TEN,
    "late-start.flv": TEN,
    "late-start.ts": TEN,
    "late-start-with-sound.webm": TEN,
    "sound-before-frames.mp4": [(k, k + 50) for k in range(10)],
}
"""The number of each frame, and its time in units of 1/25 s."""


@pytest.mark.parametrize("name", SLOTS)
def test_each_frame_is_at_its_time(tmp_path: Path, name: str) -> None:
    odd.READABLE[name][0](tmp_path / name)
    with VideoReader(tmp_path / name) as reader:
        frames = list(reader)
        assert reader.frame_rate == 25
    assert [number_of(frame.image) for frame in frames] == [number for number, _ in SLOTS[name]]
    times = [float(frame.pts * reader.time_base) for frame in frames]
    assert times == pytest.approx([slot / 25 for _, slot in SLOTS[name]], abs=0.0015)


@pytest.mark.parametrize(
    ("name", "slots"),
    [("dropped-frames.avi", 14), ("empty-samples.mp4", 10), ("uncoded-vops.mp4", 12)],
)
def test_last_frame_lasts_until_the_end_of_the_packets(
    tmp_path: Path, name: str, slots: int
) -> None:
    odd.READABLE[name][0](tmp_path / name)
    with VideoReader(tmp_path / name) as reader:
        *_, last = reader
    assert (last.pts + last.duration) * reader.time_base == Fraction(slots, 25)


def test_truncated_avi_is_still_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    odd.write_avi(path, b"XVID", odd.encoded(path, "mpeg4", 30, {"g": "5"}))
    path.write_bytes(path.read_bytes()[:-3000])
    with VideoReader(path) as reader, pytest.raises(MediaError, match=r"frames"):
        list(reader)


def test_times_out_of_order_give_the_order_of_the_frames(tmp_path: Path) -> None:
    odd.make_unordered_times(tmp_path / "a.mkv")
    with VideoReader(tmp_path / "a.mkv") as reader:
        frames = list(reader)
    assert [number_of(frame.image) for frame in frames] == list(range(10))
    end = (frames[-1].pts + frames[-1].duration) * reader.time_base
    assert float(end) == pytest.approx(0.4, abs=0.04)


def test_joined_recordings_follow_each_other(tmp_path: Path) -> None:
    odd.make_joined_ts(tmp_path / "a.ts")
    with VideoReader(tmp_path / "a.ts") as reader:
        frames = list(reader)
    assert [number_of(frame.image) for frame in frames] == [*range(12), *range(12)]
    steps = [float((b.pts - a.pts) * reader.time_base) for a, b in pairwise(frames)]
    assert steps == pytest.approx([0.04] * 23, abs=1e-3)
    assert frames[-1].duration * reader.time_base == Fraction(1, 25)


def test_second_recording_whose_clock_is_far_ahead_follows_as_well(tmp_path: Path) -> None:
    parts = [
        write_test_video(
            tmp_path / f"{start}.ts", pts=range(start, start + 12), container_format="mpegts"
        ).read_bytes()
        for start in (0, 50_000)
    ]
    (tmp_path / "a.ts").write_bytes(b"".join(parts))
    with VideoReader(tmp_path / "a.ts") as reader:
        times = [float(frame.pts * reader.time_base) for frame in reader]
    assert times == pytest.approx([k / 25 for k in range(24)], abs=1e-3)


def test_long_frame_of_a_screen_recording_is_kept(tmp_path: Path) -> None:
    write_test_video(tmp_path / "a.mp4", pts=[0, 1, 25 * 60, 25 * 60 + 1])
    with VideoReader(tmp_path / "a.mp4") as reader:
        times = [frame.pts * reader.time_base for frame in reader]
    assert times == [0, Fraction(1, 25), 60, 60 + Fraction(1, 25)]


@pytest.mark.parametrize(("audio", "start"), [(False, 0), ("libmp3lame", 5)])
def test_empty_frames_at_the_start_keep_the_sound_in_sync(
    tmp_path: Path, audio: bool | str, start: int
) -> None:
    path = write_test_video(
        tmp_path / "a.avi", frames=10, codec="mpeg4", audio=audio, audio_seconds=0.6
    )
    data = path.read_bytes().replace(b"idx1", b"JUNK")
    movie = data.index(b"movi")
    first = data.index(b"00dc", movie)
    data = data[:first] + (b"00dc" + bytes(4)) * 5 + data[first:]
    length = int.from_bytes(data[movie - 4 : movie], "little") + 40
    path.write_bytes(data[: movie - 4] + length.to_bytes(4, "little") + data[movie:])
    with VideoReader(path) as reader:
        times = [frame.pts * reader.time_base for frame in reader]
    assert times[0] == Fraction(start, 25)


def copy(source: Path, target: Path) -> Path:
    write_with_sound(source, target)
    return target


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".gif"])
@pytest.mark.parametrize(
    "name", ["late-start.mp4", "late-start.mkv", "late-start.webm", "early-start.mkv"]
)
def test_output_begins_at_zero_and_lasts_as_long_as_the_frames(
    tmp_path: Path, name: str, suffix: str
) -> None:
    odd.READABLE[name][0](tmp_path / name)
    target = copy(tmp_path / name, tmp_path / f"out{suffix}")
    times = [float(time) for time, _ in decoded_frames(target)]
    assert times == pytest.approx([k / 25 for k in range(10)], abs=0.0015)
    with av.open(str(target)) as video:
        assert (video.duration or 0) / av.time_base == pytest.approx(0.4, abs=0.045)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize("name", ["late-start-with-sound.mp4", "late-start-with-sound.webm"])
def test_late_frames_and_sound_begin_at_zero_in_sync(
    tmp_path: Path, name: str, suffix: str
) -> None:
    odd.READABLE[name][0](tmp_path / name)
    target = copy(tmp_path / name, tmp_path / f"out{suffix}")
    starts = {
        path: (float(packet_times(path)[0]), float(packet_times(path, "audio")[0]))
        for path in (tmp_path / name, target)
    }
    before, after = starts[tmp_path / name], starts[target]
    assert before[0] == pytest.approx(odd.HOUR, abs=0.1)
    assert after[0] == pytest.approx(0, abs=0.001)
    priming = max(0, before[0] - before[1])  # WebM and Matroska cannot store it
    assert abs((after[1] - after[0]) - (before[1] - before[0])) < 0.021 + priming
    with av.open(str(target)) as video:
        assert 0.35 < (video.duration or 0) / av.time_base < 0.6


def test_sound_before_the_frames_is_kept(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    odd.make_sound_before_frames(source)
    target = copy(source, tmp_path / "out.mp4")
    for path in (source, target):
        assert packet_times(path)[0] == 2
        assert abs(packet_times(path, "audio")[0]) < 0.03
    with av.open(str(target)) as video:
        assert (video.duration or 0) / av.time_base == pytest.approx(2.4, abs=0.06)
