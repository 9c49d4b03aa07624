"""Batches: the same in one process or several, with damage, signals and killed workers."""

import gc
import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from _helpers.media_files import number_of, numbered_frame, write_test_video

from cpabmm_core.config import AugmentConfig, DataConfig
from cpabmm_core.data.batches import (
    Batch,
    PairDataset,
    PairSample,
    TimedBatches,
    explain_lost_workers,
    read_batches,
)
from cpabmm_core.data.frames_dataset import FramesDataset
from cpabmm_core.data.pair_sampler import PairKey, PairSampler
from cpabmm_core.errors import DataError, ResourceError
from cpabmm_core.media.image import write_image

PLAIN = AugmentConfig(
    horizontal_flip=False, time_flip=False, brightness=0, contrast=0, saturation=0, hue=0
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in "abc":
        write_image(
            tmp_path / f"{name}.png", np.hstack([numbered_frame(k, 32, 32) for k in range(6)])
        )
    return tmp_path


def dataset(folder: Path, **changes: object) -> FramesDataset:
    return FramesDataset(folder, DataConfig.model_validate({"frame_size": 32} | changes))


def read(
    data: FramesDataset, workers: int, batches: Iterable[list[PairKey]] | None = None
) -> list[Batch]:
    batches = batches or PairSampler(len(data), 4, 2, seed=1)
    return list(read_batches(data, batches, workers=workers))


def damaged(folder: Path) -> list[int]:
    """Write the damaged video d.mp4 and return the numbers of its undecodable frames."""
    path = write_test_video(folder / "d.mp4", size=(96, 96), frames=60, options={"g": "10"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(bytes(data))
    return sorted(dataset(folder)._frames.clips[3].clip.find_damage())


def test_workers_read_the_same_batches_as_one_process(folder: Path) -> None:
    alone, helped = (read(dataset(folder), workers) for workers in (0, 2))
    assert len(alone) == len(helped) == 6
    for one, other in zip(alone, helped, strict=True):
        assert one.names == other.names
        assert len(one.names) == 2
        assert torch.equal(one.source, other.source)
        assert torch.equal(one.driving, other.driving)


def test_names_are_those_of_the_frames(folder: Path) -> None:
    (folder / "b.png").unlink()
    write_image(folder / "b.png", np.hstack([numbered_frame(k, 32, 32) for k in range(100, 106)]))
    data = dataset(folder, augment=PLAIN.model_dump())
    for batch in read(data, 0):
        for name, image in zip(batch.names, batch.source, strict=True):
            number = number_of((image.permute(1, 2, 0) * 255).round().byte().numpy())
            assert (number >= 100) == (name == "b.png")


def test_two_processes_read_the_pairs_of_one(folder: Path) -> None:
    """The 2 x 2 pairs of two processes are the 4 of one, including their augmentation."""
    data = dataset(folder)
    (whole, *_) = read(data, 0, PairSampler(3, 4, 4, seed=1))
    parts = [read(data, 0, PairSampler(3, 4, 2, seed=1, rank=r, world=2))[0] for r in (0, 1)]
    assert torch.equal(torch.cat([part.source for part in parts]), whole.source)
    assert torch.equal(torch.cat([part.driving for part in parts]), whole.driving)


def test_the_global_generator_is_untouched(folder: Path) -> None:
    before = torch.get_rng_state()
    read(dataset(folder), 1)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 2])
def test_damage_is_reported_once(folder: Path, workers: int) -> None:
    lost = damaged(folder)
    data = dataset(folder)
    keys = [[PairKey(3, (0, 0, k)), PairKey(0, (0, 1, k))] for k in range(40)]
    batches = read(data, workers, keys)
    assert len(batches) == 40
    messages = [note for batch in batches for note in batch.notes]
    assert len(messages) == 1
    assert f"d.mp4: damaged after {lost[0]} frames" in messages[0]
    assert f"skipping frames {lost[0]}-{lost[-1]} of 60" in messages[0]


@pytest.mark.parametrize("workers", [0, 2])
def test_refused_damage_is_a_one_line_error(folder: Path, workers: int) -> None:
    damaged(folder)
    data = dataset(folder, on_error="refuse")
    keys = [[PairKey(3, (0, 0, k))] for k in range(40)]
    with pytest.raises(DataError, match=r"d\.mp4: damaged after \d+ frames") as error:
        read(data, workers, keys)
    assert "\n" not in str(error.value)


class SlowBatches:
    """An iterable of batches that take 3 seconds each on a fake clock."""

    now = 100.0

    def __iter__(self) -> Iterator[Batch]:
        for _ in range(5):
            self.now += 3.0
            images = torch.zeros(1, 3, 4, 4)
            yield Batch(images, images, ["a"], [])


def test_only_waiting_time_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowBatches()
    clock = SimpleNamespace(perf_counter=lambda: slow.now)
    monkeypatch.setattr("cpabmm_core.data.batches.time", clock)
    batches = TimedBatches(iter(slow))
    shares = []
    for _ in batches:
        slow.now += 9.0
        shares.append(batches.share())
    assert batches.seconds == 15.0
    assert shares == [0.25] * 5
    slow.now += 1.0
    assert batches.share() == 0.0


class RecordedGarbage:
    """Garbage in a reference cycle that records which process collects it."""

    def __init__(self, notes: Path) -> None:
        self.itself, self.notes = self, notes

    def __del__(self) -> None:
        with self.notes.open("a") as file:
            file.write(f"{os.getpid()}\n")


class GarbageCollectingPairs(PairDataset):
    """A data set that runs the garbage collector when it reads a sample."""

    def __getitem__(self, key: int) -> PairSample:
        gc.collect()
        image = torch.zeros(3, 4, 4)
        return PairSample(image, image, str(key), [])


def test_workers_do_not_collect_garbage_of_the_main_process(tmp_path: Path) -> None:
    """The threads of a decoder do not survive a fork, so freeing it in a worker would hang."""
    gc.collect()
    gc.disable()
    try:
        RecordedGarbage(tmp_path / "pids")
        batches = read_batches(GarbageCollectingPairs(), [[0], [1]], workers=1)
        assert [batch.names for batch in batches] == [["0"], ["1"]]
    finally:
        gc.enable()
    assert (tmp_path / "pids").read_text() == f"{os.getpid()}\n"


def children() -> set[int]:
    found = set()
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError):
            if f"PPid:\t{os.getpid()}" in status.read_text().splitlines():
                found.add(int(status.parent.name))
    return found


linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")


@linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_workers_ignore_signals_to_the_job(folder: Path, number: signal.Signals) -> None:
    data, others = dataset(folder), children()
    running = read_batches(data, PairSampler(3, 40, 2, seed=1), workers=2)
    for _ in range(4):  # at least one batch of each worker, so both are running
        next(running)
    workers = children() - others
    assert len(workers) >= 2
    for worker in workers:
        assert os.getpgid(worker) != os.getpgid(0)
        os.kill(worker, number)
    assert len(list(running)) == 56


@linux
def test_a_killed_worker_is_explained(folder: Path) -> None:
    data, others = dataset(folder), children()
    running = read_batches(data, PairSampler(3, 400, 2, seed=1), workers=2)

    def run() -> None:
        next(running)
        for worker in children() - others:
            os.kill(worker, signal.SIGKILL)
        for _ in running:
            time.sleep(0.01)

    with pytest.raises(ResourceError, match="a process was killed"), explain_lost_workers():
        run()


@linux
def test_closing_the_iterator_stops_the_workers(folder: Path) -> None:
    """This also holds while a traceback keeps the iterator alive."""
    others = children()
    running = read_batches(dataset(folder), PairSampler(3, 400, 2, seed=1), workers=2)
    next(running)
    running.close()
    assert children() == others
    damaged(folder)
    keys = [[PairKey(3, (0, 0, k))] for k in range(40)]
    with pytest.raises(DataError) as error:
        read(dataset(folder, on_error="refuse"), 2, keys)
    assert error.tb is not None
    assert children() == others


def test_other_errors_pass_unchanged() -> None:
    with pytest.raises(RuntimeError, match="something else"), explain_lost_workers():
        raise RuntimeError("something else")
