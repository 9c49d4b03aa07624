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
from cpabmm_core.metrics.evaluation import Evaluation, evaluate_videos
from cpabmm_core.metrics.extractor_metrics import (
    PrecomputedMetric,
    identity_metric,
    keypoint_metric,
)
from cpabmm_core.metrics.extractors import ExtractorInfo
from cpabmm_core.metrics.frame_quality import FrameQuality
from cpabmm_core.metrics.results import SetResult
from cpabmm_core.metrics.video_metric import Frames

T = TypeVar("T")
INFO = ExtractorInfo("mean", "1", "none", "nothing")


class BrightnessGap:
    """A `SetMetric`: mean brightness of all real frames minus that of the generated frames."""

    role = "fid"
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


class ThreadGroup:
    """A `ProcessGroup` whose processes are threads."""

    def __init__(self, rank: int, lists: list[Any], barrier: Barrier) -> None:
        self._rank, self._lists, self._barrier = rank, lists, barrier

    def split(self, items: Sequence[T]) -> Sequence[T]:
        return items[self._rank :: len(self._lists)]

    def gather(self, items: list[T]) -> list[T]:
        self._lists[self._rank] = items
        self._barrier.wait(30)
        gathered = [item for part in self._lists for item in part]
        self._barrier.wait(30)
        return gathered

    def main_first(self) -> AbstractContextManager[None]:
        return nullcontext()

    def close(self) -> None:
        pass


def build_evaluation() -> Evaluation:
    square = Square()
    return Evaluation(
        [
            FrameQuality(),
            keypoint_metric(square),
            identity_metric(square),
        ],
        [BrightnessGap()],
    )


@pytest.fixture
def pairs(tmp_path: Path) -> list[tuple[Path, Path]]:
    """Videos k of k + 2 frames, with a square shifted right by k pixels and darker by k levels."""
    pairs = []
    for k in range(5):
        real = [square_frame(2 + n, 5) for n in range(k + 2)]
        generated = [square_frame(2 + n + k, 5, grey=255 - k) for n in range(k + 2)]
        pairs.append(
            (
                write_frames(tmp_path / "real" / str(k), real),
                write_frames(tmp_path / "generated" / str(k), generated),
            )
        )
    return pairs


def test_one_pass_evaluates_videos_and_the_set(pairs: list[tuple[Path, Path]]) -> None:
    progress: list[tuple[int, int]] = []
    result = evaluate_videos(
        pairs,
        build_evaluation(),
        chunk_frames=3,
        progress=lambda done, total: progress.append((done, total)),
    )
    assert progress == [(number, 5) for number in range(1, 6)]
    assert [(video.name, video.frames) for video in result.videos] == [
        (str(k), k + 2) for k in range(5)
    ]
    for k, video in enumerate(result.videos):
        assert video.values["akd"] == k / 2  # only x is shifted
        assert video.values["mkr"] == 0
        assert video.values["aed"] == pytest.approx((k / 255) ** 2)
    counts = np.arange(2, 7)
    assert result.values["akd"] == pytest.approx((counts * np.arange(5) / 2).sum() / counts.sum())
    dark = (counts * np.arange(5) * 16).sum() / (counts.sum() * 24 * 24)
    assert result.values["fid"] == pytest.approx(dark)
    assert result.extractors["fid"] == INFO.as_dict()
    assert result.coverage["keypoints"].generated == 1


@pytest.mark.parametrize("processes", [2, 3, 7])
def test_several_processes_agree_with_one_to_the_last_digit(
    pairs: list[tuple[Path, Path]], processes: int
) -> None:
    alone = evaluate_videos(pairs, build_evaluation())
    lists: list[Any] = [[]] * processes
    barrier, results = Barrier(processes), {}

    def work(rank: int) -> None:
        results[rank] = evaluate_videos(
            pairs, build_evaluation(), ThreadGroup(rank, lists, barrier)
        )

    threads = [Thread(target=work, args=[rank]) for rank in range(processes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [results[rank] == alone for rank in range(processes)] == [True] * processes


def test_status_messages_come_in_the_order_of_videos(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_frames(tmp_path / "real" / name, [np.zeros((24, 30, 3), np.uint8)])
        write_frames(tmp_path / "generated" / name, [np.zeros((16, 16, 3), np.uint8)])
    messages: list[str] = []
    pairs = [(tmp_path / "real" / n, tmp_path / "generated" / n) for n in ("a", "b")]
    evaluate_videos(pairs, Evaluation([FrameQuality()]), announce=messages.append)
    size = "is 30 x 24; its centred square is compared at 16 x 16"
    assert messages == [f"{real}: {size}" for real, _ in pairs]


def test_errors_name_the_video(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "dots", [np.zeros((4, 4, 3), np.uint8)])
    with pytest.raises(DataError, match=r"dots: frames: 4 x 4 is too small for SSIM"):
        evaluate_videos([(folder, folder)], build_evaluation())


class Table:
    """A `ValueTable` that returns the values of a function and records its calls."""

    info = ExtractorInfo("table.npz", "precomputed", "00", "nothing")

    def __init__(self, compute: Callable[[str, int], NDArray[np.float64]]) -> None:
        self._compute = compute
        self.calls: list[tuple[str, str, int]] = []

    def values(self, set_name: str, video: str, frames: int) -> NDArray[np.float64]:
        self.calls.append((set_name, video, frames))
        return self._compute(set_name, frames)


def test_a_table_is_queried_by_set_name_and_length(
    pairs: list[tuple[Path, Path]],
) -> None:
    table = Table(lambda name, frames: np.full((frames, 1, 2), 1.0 if name == "real" else 3.0))
    evaluation = Evaluation([PrecomputedMetric("keypoints", table)])
    result: SetResult = evaluate_videos(pairs[:2], evaluation, chunk_frames=2)
    assert result.values["akd"] == 2
    assert table.calls == [
        (name, str(k), k + 2) for k in range(2) for name in ("real", "generated")
    ]
    assert result.extractors["keypoints"] == table.info.as_dict()
