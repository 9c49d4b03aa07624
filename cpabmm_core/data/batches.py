"""Batches of pairs, read by worker processes, with the time spent waiting for them."""

import gc
import os
import signal
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cpabmm_core.errors import DataError, ResourceError

_LOST = (
    "data workers: one was killed, most likely for want of memory; lower training.workers or "
    "data.cache_mb"
)
_NOTICE = 0.2  # seconds


class PairSample(NamedTuple):
    """A source and a driving frame of one clip."""

    source: Tensor  # (3, S, S) in [0, 1]
    driving: Tensor  # (3, S, S) in [0, 1]
    name: str
    """Name of the clip's file or folder."""
    notes: list[str]
    """What was damaged and had to be replaced."""


class Batch(NamedTuple):
    """Samples stacked."""

    source: Tensor  # (B, 3, S, S) in [0, 1]
    driving: Tensor  # (B, 3, S, S) in [0, 1]
    names: list[str]
    """Name of the clip of each pair."""
    notes: list[str]
    """What was damaged and had to be replaced, told once in a run."""

    def to(self, device: torch.device) -> Self:
        """The batch on a device; memory that is pinned is copied in the background."""
        source, driving = (
            frames.to(device, non_blocking=True) for frames in (self.source, self.driving)
        )
        return self._replace(source=source, driving=driving)


class DataFailure(NamedTuple):
    """A `DataError` on its way out of a worker, where raising it would lose its one line."""

    message: str


class PairDataset(Dataset[PairSample]):
    """A data set of pairs, as `read_batches` takes it."""

    def __getitems__(self, keys: Sequence[Any]) -> list[PairSample] | DataFailure:
        """The samples of a batch, or what went wrong with them."""
        try:
            return [self[key] for key in keys]
        except DataError as error:
            return DataFailure(str(error))


def read_batches(
    dataset: PairDataset,
    batches: Iterable[list[Any]],
    *,
    workers: int,
    pin_memory: bool = False,
) -> Generator[Batch]:
    """Read the samples that `batches` names.

    Nothing is taken from torch's global generator, so that a resumed run, which comes here anew,
    draws the same numbers as one that was never stopped. Close the iterator to end the workers.

    Args:
        dataset: what `batches` indexes.
        batches: the keys of the samples of each batch.
        workers: processes that read; 0 reads in this one.
        pin_memory: for a faster way to a GPU.

    Raises:
        DataError: a clip is damaged and ``data.on_error`` is ``refuse``.
        ResourceError: a worker was killed; `explain_lost_workers` catches the other places where
            that can show.
    """
    loader: DataLoader[Any] = DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=pin_memory,
        worker_init_fn=_stand_apart,
        generator=torch.Generator(),
    )
    # Threads of a decoder are not there any more after a fork: a worker whose garbage collector
    # met one that this process has used would wait for them for ever.
    gc.collect()
    told: set[str] = set()
    arriving: Any = iter(loader)
    try:
        while (batch := _next(arriving)) is not None:
            if isinstance(batch, DataFailure):
                raise DataError(batch.message)
            news = [note for note in dict.fromkeys(batch.notes) if note not in told]
            told.update(news)
            yield batch._replace(notes=news)
    finally:
        if workers:  # torch itself would do so when an error's traceback lets go, seconds late
            arriving._shutdown_workers()


class TimedBatches(Iterator[Batch]):
    """Passes batches on, and measures the time spent waiting for them."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._batches = batches
        self.seconds = 0.0
        """Time waited so far."""
        self._asked = time.perf_counter(), self.seconds

    def __next__(self) -> Batch:
        """The next batch."""
        start = time.perf_counter()
        try:
            return next(self._batches)
        finally:
            self.seconds += time.perf_counter() - start

    def share(self) -> float:
        """Part of the wall time since the last call that was spent waiting for data, 0 to 1."""
        (then, before), self._asked = self._asked, (time.perf_counter(), self.seconds)
        elapsed = self._asked[0] - then
        return min(1.0, (self.seconds - before) / elapsed) if elapsed > 0 else 0.0


@contextmanager
def explain_lost_workers() -> Iterator[None]:
    """Name the cause where torch finds, at any moment of a run, that a worker is gone.

    Raises:
        ResourceError: a worker was killed, as the system does when memory runs out.
    """
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker (pid" not in str(error):
            raise
        raise ResourceError(_LOST) from None


def _collate(samples: list[PairSample] | DataFailure) -> Batch | DataFailure:
    if isinstance(samples, DataFailure):
        return samples
    return Batch(
        torch.stack([sample.source for sample in samples]),
        torch.stack([sample.driving for sample in samples]),
        [sample.name for sample in samples],
        [note for sample in samples for note in sample.notes],
    )


def _next(arriving: Iterator[Batch | DataFailure]) -> Batch | DataFailure | None:
    try:
        return next(arriving, None)
    except (EOFError, ConnectionError):  # the worker died while it handed over a batch
        with suppress(RuntimeError):
            time.sleep(_NOTICE)  # torch's notice of it must not strike later
        raise ResourceError(_LOST) from None


def _stand_apart(_: int) -> None:
    """Keep Ctrl-C, and signals to all of a job, from a worker: the main process ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
