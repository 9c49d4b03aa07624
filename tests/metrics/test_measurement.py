from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from threading import Barrier, Thread
from typing import Any, TypeVar

import numpy as np
import pytest
from _helpers.known_extractors import Square, square_frame, write_frames
from numpy.typing import NDArray

from cpabmm_core.errors import DataError
from cpabmm_core.metrics.extracted import ExtractedMetric, PrecomputedMetric
from cpabmm_core.metrics.extractors import ExtractorInfo
from cpabmm_core.metrics.frame_quality import FrameQuality
from cpabmm_core.metrics.identity_distance import IdentitySums
from cpabmm_core.metrics.keypoint_distance import KeypointSums
from cpabmm_core.metrics.measurement import Measurement, measure_videos
from cpabmm_core.metrics.results import SetResult
from cpabmm_core.metrics.sharing import OneProcess
from cpabmm_core.metrics.video_metric import Frames

T = TypeVar("T")
INFO = ExtractorInfo("mean", "1", "none", "nothing")


class BrightnessGap:
    """A `SetMetric`: real frames' mean brightness minus the generated ones', over the set."""

    part = "fid"
    info = INFO

    def __init__(self) -> None:
        self.names: list[str] = []
        self._sums = np.zeros(3)

    def start_video(self, name: str) -> None:
        self.names.append(name)

    def update(self, real: Frames, generated: Frames) -> None:
        self._sums += (real.sum(), generated.sum(), real.size)

    def state(self) -> NDArray[np.float64]:
        return self._sums

    def merge(self, states: Sequence[Any]) -> None:
        self._sums = np.sum(states, axis=0)

    def compute(self) -> float:
        return float((self._sums[0] - self._sums[1]) / self._sums[2])


class ThreadShare:
    """A `Share` of one of several threads that stand for processes."""

    def __init__(self, rank: int, lists: list[Any], barrier: Barrier) -> None:
        self._rank, self._lists, self._barrier = rank, lists, barrier

    def mine(self, items: Sequence[T]) -> Sequence[T]:
        return items[self._rank :: len(self._lists)]

    def gathered(self, items: list[T]) -> list[T]:
        self._lists[self._rank] = items
        self._barrier.wait(30)
        together = [item for part in self._lists for item in part]
        self._barrier.wait(30)
        return together

    def main_first(self) -> AbstractContextManager[None]:
        return nullcontext()

    def close(self) -> None:
        pass


def all_measures() -> Measurement:
    square = Square()
    return Measurement(
        [
            FrameQuality(),
            ExtractedMetric("keypoints", square.info, square.keypoints, KeypointSums),
            ExtractedMetric("identity", square.info, square.embeddings, IdentitySums),
        ],
        [BrightnessGap()],
    )


@pytest.fixture
def pairs(tmp_path: Path) -> list[tuple[Path, Path]]:
    """Video k of k + 2 frames; its square is k pixels too far right, and k levels too dark."""
    found = []
    for k in range(5):
        real = [square_frame(2 + n, 5) for n in range(k + 2)]
        generated = [square_frame(2 + n + k, 5, grey=255 - k) for n in range(k + 2)]
        found.append(
            (
                write_frames(tmp_path / "real" / str(k), real),
                write_frames(tmp_path / "generated" / str(k), generated),
            )
        )
    return found


def test_each_video_and_the_set_are_measured_in_one_pass(pairs: list[tuple[Path, Path]]) -> None:
    told: list[tuple[int, int]] = []
    result = measure_videos(
        pairs,
        all_measures(),
        OneProcess(),
        frames_at_once=3,
        progress=lambda *count: told.append(count),
    )
    assert told == [(number, 5) for number in range(1, 6)]
    assert [(video.name, video.frames) for video in result.videos] == [
        (str(k), k + 2) for k in range(5)
    ]
    for k, video in enumerate(result.videos):
        assert video.values["akd"] == k / 2  # x is off by k, y is not
        assert video.values["mkr"] == 0
        assert video.values["aed"] == pytest.approx((k / 255) ** 2)
    counts = np.arange(2, 7)
    assert result.values["akd"] == pytest.approx((counts * np.arange(5) / 2).sum() / counts.sum())
    dark = (counts * np.arange(5) * 16).sum() / (counts.sum() * 24 * 24)
    assert result.values["fid"] == pytest.approx(dark)
    assert result.extractors["fid"] == INFO.as_dict()
    assert result.coverage["keypoints"].generated == 1


@pytest.mark.parametrize("processes", [2, 3, 7])
def test_processes_together_find_the_figures_of_one_to_the_last_digit(
    pairs: list[tuple[Path, Path]], processes: int
) -> None:
    alone = measure_videos(pairs, all_measures(), OneProcess())
    lists: list[Any] = [[]] * processes
    barrier, results = Barrier(processes), {}

    def work(rank: int) -> None:
        results[rank] = measure_videos(pairs, all_measures(), ThreadShare(rank, lists, barrier))

    threads = [Thread(target=work, args=[rank]) for rank in range(processes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [results[rank] == alone for rank in range(processes)] == [True] * processes


def test_lines_about_videos_come_in_their_order(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_frames(tmp_path / "real" / name, [np.zeros((24, 30, 3), np.uint8)])
        write_frames(tmp_path / "generated" / name, [np.zeros((16, 16, 3), np.uint8)])
    told: list[str] = []
    pairs = [(tmp_path / "real" / n, tmp_path / "generated" / n) for n in ("a", "b")]
    measure_videos(pairs, Measurement([FrameQuality()]), OneProcess(), report=told.append)
    size = "is 30 x 24; its centred square is compared, at 16 x 16"
    assert told == [f"{real}: {size}" for real, _ in pairs]


def test_what_cannot_be_measured_is_named(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "dots", [np.zeros((4, 4, 3), np.uint8)])
    with pytest.raises(DataError, match=r"dots: frames: 4 x 4 is too small for SSIM"):
        measure_videos([(folder, folder)], all_measures(), OneProcess())


class Table:
    """Keypoints of another program: those of the square, for videos of the given lengths."""

    info = ExtractorInfo("table.npz", "precomputed", "00", "nothing")

    def __init__(self, find: Callable[[str, int], NDArray[np.float64]]) -> None:
        self.values_of = find
        self.asked: list[tuple[str, str, int]] = []

    def values(self, side: str, name: str, frames: int) -> NDArray[np.float64]:
        self.asked.append((side, name, frames))
        return self.values_of(side, frames)


def test_what_stands_in_a_table_is_asked_for_by_side_name_and_length(
    pairs: list[tuple[Path, Path]],
) -> None:
    table = Table(lambda side, frames: np.full((frames, 1, 2), 1.0 if side == "real" else 3.0))
    measurement = Measurement([PrecomputedMetric("keypoints", table, KeypointSums)])
    result: SetResult = measure_videos(pairs[:2], measurement, OneProcess(), frames_at_once=2)
    assert result.values["akd"] == 2
    assert table.asked == [
        (side, str(k), k + 2) for k in range(2) for side in ("real", "generated")
    ]
    assert result.extractors["keypoints"] == table.info.as_dict()
