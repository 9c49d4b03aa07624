from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from _helpers.media_files import decoded_frames, numbered_frame
from av.filter import Graph
from av.video.format import VideoFormat

from cpabmm_core.media import constant_rate, output_target

NTSC = Fraction(30000, 1001)
TICKS = Fraction(1, 90000)
Times = Sequence[tuple[int, int]]


def shown(times: Times, time_base: Fraction, fps: Fraction) -> list[int]:
    """Return the number of the input frame in each output frame, from the first one on."""
    frames = [(number, pts, duration) for number, (pts, duration) in enumerate(times)]
    result: list[int] = []
    end = None
    for item, start, count in constant_rate(frames, time_base, fps):
        assert count > 0
        assert end is None or start == end
        end = start + count
        result += [item] * count
    return result


def even(count: int, step: int = 1) -> list[tuple[int, int]]:
    return [(step * k, step) for k in range(count)]


@pytest.mark.parametrize("rate", [Fraction(24), NTSC, Fraction(25), Fraction(60), Fraction(1, 3)])
def test_a_video_of_the_wanted_rate_is_unchanged(rate: Fraction) -> None:
    assert shown(even(40), 1 / rate, rate) == list(range(40))


@pytest.mark.parametrize("rate", [Fraction(24), NTSC, Fraction(25), Fraction(50)])
@pytest.mark.parametrize("unit", [Fraction(1, 1000), Fraction(1, 100)])
def test_rounded_timestamps_neither_double_nor_drop_a_frame(rate: Fraction, unit: Fraction) -> None:
    """Matroska rounds to milliseconds, GIF to hundredths."""
    starts = [round(k / rate / unit) for k in range(400)]
    times = [(start, round((k + 1) / rate / unit) - start) for k, start in enumerate(starts)]
    assert shown(times, unit, rate) == list(range(400))


def test_half_the_rate_shows_every_second_frame() -> None:
    assert shown(even(11), Fraction(1, 30), Fraction(15)) == [0, 2, 4, 6, 8, 10]


def test_three_times_the_rate_shows_each_frame_three_times() -> None:
    expected = [k // 3 for k in range(12)]
    assert shown(even(4), Fraction(1, 10), Fraction(30)) == expected


def test_film_becomes_television_by_repeating_every_fourth_frame() -> None:
    assert shown(even(8), Fraction(1, 24), Fraction(30)) == [0, 0, 1, 2, 3, 4, 4, 5, 6, 7]


def test_a_pause_is_filled_with_the_frame_before_it() -> None:
    times = [(0, 100), (100, 900), (1000, 100)]
    assert shown(times, Fraction(1, 1000), Fraction(10)) == [0] + 9 * [1] + [2]


def test_places_count_from_time_zero_so_sound_stays_in_sync() -> None:
    [item] = constant_rate([("late", 1500, 500)], Fraction(1, 1000), Fraction(10))
    assert item == ("late", 15, 5)


@pytest.mark.parametrize("duration", [0, 1, 30])
@pytest.mark.parametrize("start", [0, 17])
def test_the_output_is_never_empty(start: int, duration: int) -> None:
    assert shown([(start, duration)], Fraction(1, 1000), Fraction(1)) == [0]


def test_a_last_frame_without_a_duration_is_shown() -> None:
    assert shown([(0, 0), (1, 0), (2, 0)], Fraction(1, 25), Fraction(25)) == [0, 1, 2]


def variable(seed: int, count: int = 60) -> list[tuple[int, int]]:
    """Return times with gaps from 1/500 to 1/5 s, in units of 1/90000 s."""
    steps = np.random.default_rng(seed).integers(180, 18000, count)
    starts = np.cumsum(steps) - steps
    return [(int(start), int(step)) for start, step in zip(starts, steps, strict=True)]


RATES = [Fraction(12), Fraction(24000, 1001), Fraction(25), NTSC, Fraction(60), Fraction(7, 2)]


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("seed", range(3))
def test_each_output_frame_is_the_latest_that_has_started(fps: Fraction, seed: int) -> None:
    times = variable(seed)
    result = shown(times, TICKS, fps)
    early = min(Fraction(1, 200), Fraction(1, 4) / fps)
    for number, got in enumerate(result):
        time = number / fps + early
        assert got == max(k for k, (start, _) in enumerate(times) if start * TICKS <= time)
    end = sum(times[-1]) * TICKS
    assert abs(len(result) / fps - end) <= 1 / fps


@pytest.mark.parametrize("fps", RATES)
def test_it_agrees_with_the_filter_of_ffmpeg(fps: Fraction) -> None:
    times = [pair for pair in variable(9, 200) if _is_clear(pair[0] * TICKS * fps)]
    ends = [start for start, _ in times[1:]] + [times[-1][0] + 9000]
    times = [(start, end - start) for (start, _), end in zip(times, ends, strict=True)]
    ours = shown(times, TICKS, fps)
    theirs = _ffmpeg(times, fps)
    assert len(theirs) > 20
    # The filter decides about the end by another rule.
    assert ours[: len(theirs) - 1] == theirs[:-1]
    assert abs(len(ours) - len(theirs)) <= 1


def _is_clear(position: Fraction) -> bool:
    """Return whether a frame starts so late in an output interval that no rounding matters."""
    return position % 1 == 0 or position % 1 > Fraction(1, 4)


def _ffmpeg(times: Times, fps: Fraction) -> list[int]:
    graph = Graph()
    source = graph.add_buffer(width=2, height=2, format=VideoFormat("gray"), time_base=TICKS)
    chain = [source, graph.add("fps", f"fps={fps}:round=up:start_time=0"), graph.add("buffersink")]
    graph.link_nodes(*chain).configure()
    result: list[int] = []
    for number, (start, duration) in enumerate(times):
        frame = av.VideoFrame.from_ndarray(np.full((2, 2), number, dtype=np.uint8), format="gray")
        frame.pts, frame.time_base, frame.duration = start, TICKS, duration
        graph.push(frame)
        result += _pull(graph)
    graph.push(None)
    return result + _pull(graph)


def _pull(graph: Graph) -> list[int]:
    result: list[int] = []
    while True:
        try:
            frame = graph.pull()
        except (BlockingIOError, EOFError):
            return result
        assert isinstance(frame, av.VideoFrame)
        result.append(int(frame.to_ndarray()[0, 0]))


@pytest.mark.parametrize("fps", RATES)
def test_a_second_pass_changes_nothing(fps: Fraction) -> None:
    times = variable(4)
    once = list(constant_rate([(k, *time) for k, time in enumerate(times)], TICKS, fps))
    assert list(constant_rate(once, 1 / fps, fps)) == once


@pytest.mark.parametrize("name", ["a.mkv", "a.nut"])
@pytest.mark.parametrize("fps", [Fraction(12), NTSC, Fraction(60)])
def test_frames_may_be_selected_before_or_while_they_are_written(
    tmp_path: Path, name: str, fps: Fraction
) -> None:
    frames = [(numbered_frame(k), *time) for k, time in enumerate(variable(5, 12))]
    selected = list(constant_rate(frames, TICKS, fps))
    written = []
    for folder, items, base in (("all", frames, TICKS), ("selected", selected, 1 / fps)):
        (tmp_path / folder).mkdir()
        target = output_target(str(tmp_path / folder / name))
        with target.open(64, 48, fps, base, constant=True) as writer:
            for item in items:
                writer.write(*item)
        written.append(decoded_frames(tmp_path / folder / name))
    assert written[0] == written[1]
    assert [time for time, _ in written[0]] == pytest.approx(
        [k / fps for k in range(len(written[0]))], abs=6e-4
    )
    assert [number for _, number in written[0]] == shown([f[1:] for f in frames], TICKS, fps)
