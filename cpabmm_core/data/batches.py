"""Batches of frame pairs, read by worker processes if requested."""

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

_LOST_WORKER = (
    "data workers: a process was killed, probably because memory ran out; lower training.workers "
    "or data.cache_mb"
)
_NOTICE_SECONDS = 0.2
"""Time within which torch's signal about a dead worker arrives."""


class PairSample(NamedTuple):
    """A source and a driving frame from one clip, an item of `FramesDataset` or `ValidationPairs`.

    Example:
        >>> import torch
        >>> from cpabmm_core.data import PairSample
        >>> black, grey = torch.zeros(3, 32, 32), torch.full((3, 32, 32), 0.5)
        >>> sample = PairSample(source=black, driving=grey, name="walk.mp4", notes=[])
        >>> (sample.driving - sample.source).mean().item()
        0.5
    """

    source: Tensor  # (3, S, S) in [0, 1]
    driving: Tensor  # (3, S, S) in [0, 1]
    name: str
    """The name of the clip's file or folder."""
    notes: list[str]
    """One line for each damaged clip."""


class Batch(NamedTuple):
    """Stacked samples; `read_batches` yields them.

    Example:
        >>> import torch
        >>> from cpabmm_core.data import Batch
        >>> frames = torch.zeros(2, 3, 32, 32)
        >>> batch = Batch(source=frames, driving=frames, names=["walk.mp4", "wave.mp4"], notes=[])
        >>> batch = batch.to(torch.device("cpu"))
        >>> for name, source in zip(batch.names, batch.source):
        ...     print(name, tuple(source.shape))
        walk.mp4 (3, 32, 32)
        wave.mp4 (3, 32, 32)
    """

    source: Tensor  # (B, 3, S, S) in [0, 1]
    driving: Tensor  # (B, 3, S, S) in [0, 1]
    names: list[str]
    """The name of each pair's clip."""
    notes: list[str]
    """One line for each damaged clip; each line appears in one batch only."""

    def to(self, device: torch.device) -> Self:
        """Copy the batch to a device; pinned memory is copied asynchronously."""
        source, driving = (
            frames.to(device, non_blocking=True) for frames in (self.source, self.driving)
        )
        return self._replace(source=source, driving=driving)


class DataFailure(NamedTuple):
    """The message of a `DataError`, which torch would wrap in a traceback if a worker raised it."""

    message: str


class PairDataset(Dataset[PairSample]):
    """Base class of the data sets that `read_batches` reads."""

    def __getitems__(self, keys: Sequence[Any]) -> list[PairSample] | DataFailure:
        """Return the samples of a batch, or the failure that prevents it."""
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
    """Read batches of samples, in worker processes if requested.

    Torch's global random generator is not used, so a resumed run samples the same numbers as an
    uninterrupted one. Closing the iterator stops the workers.

    Args:
        dataset: data set to read from.
        batches: keys of the samples of each batch.
        workers: number of worker processes; 0 reads in this process.
        pin_memory: allocate batches in pinned memory, for faster copies to a GPU.

    Yields:
        The batches, in the given order.

    Raises:
        DataError: a clip is damaged and ``data.on_error`` is ``refuse``.
        ResourceError: a worker was killed. Torch may also notice this elsewhere; wrap the whole run
            in `explain_lost_workers`.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from cpabmm_core.config import DataConfig
        >>> from cpabmm_core.data import FramesDataset, PairSampler, read_batches
        >>> from cpabmm_core.puppets import write_puppets
        >>> temporary = tempfile.TemporaryDirectory()
        >>> folder = Path(temporary.name)
        >>> size = dict(videos=2, test_videos=1, frames=4, size=32)
        >>> write_puppets(folder, **size, seed=0, format="strip", force=True)
        >>> dataset = FramesDataset(folder / "train", DataConfig(frame_size=32))
        >>> sampler = PairSampler(len(dataset), repeats=2, batch_size=2, seed=0)
        >>> [batch.source.shape for batch in read_batches(dataset, sampler, workers=0)]
        [torch.Size([2, 3, 32, 32]), torch.Size([2, 3, 32, 32])]
        >>> temporary.cleanup()
    """
    loader: DataLoader[Any] = DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=pin_memory,
        worker_init_fn=_ignore_signals,
        generator=torch.Generator(),
    )
    # A fork does not copy the threads of a decoder. If the garbage collector of a worker freed a
    # decoder of this process, it would wait for those threads forever.
    gc.collect()
    seen: set[str] = set()
    incoming: Any = iter(loader)
    try:
        while (batch := _next(incoming)) is not None:
            if isinstance(batch, DataFailure):
                raise DataError(batch.message)
            new = [note for note in dict.fromkeys(batch.notes) if note not in seen]
            seen.update(new)
            yield batch._replace(notes=new)
    finally:
        if workers:  # torch itself stops them only when no traceback refers to the iterator
            incoming._shutdown_workers()


class TimedBatches(Iterator[Batch]):
    """An iterator over batches that measures the time spent waiting for them."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._batches = batches
        self.seconds = 0.0
        """The total waiting time, in seconds."""
        self._last_call = time.perf_counter(), self.seconds

    def __next__(self) -> Batch:
        """Return the next batch."""
        start = time.perf_counter()
        try:
            return next(self._batches)
        finally:
            self.seconds += time.perf_counter() - start

    def share(self) -> float:
        """Return the share of the wall time since the last call spent waiting, 0 to 1."""
        (then, before), self._last_call = self._last_call, (time.perf_counter(), self.seconds)
        elapsed = self._last_call[0] - then
        return min(1.0, (self.seconds - before) / elapsed) if elapsed > 0 else 0.0


@contextmanager
def explain_lost_workers() -> Iterator[None]:
    """Convert torch's error about a dead worker, which may be raised anywhere, to our own.

    Raises:
        ResourceError: a worker was killed, probably because memory ran out.

    Example:
        >>> from cpabmm_core.data import explain_lost_workers
        >>> with explain_lost_workers():
        ...     raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Killed.")
        Traceback (most recent call last):
        ...
        cpabmm_core.errors.ResourceError: data workers: a process was killed, ...
    """
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker (pid" not in str(error):
            raise
        raise ResourceError(_LOST_WORKER) from None


def _collate(samples: list[PairSample] | DataFailure) -> Batch | DataFailure:
    if isinstance(samples, DataFailure):
        return samples
    return Batch(
        torch.stack([sample.source for sample in samples]),
        torch.stack([sample.driving for sample in samples]),
        [sample.name for sample in samples],
        [note for sample in samples for note in sample.notes],
    )


def _next(incoming: Iterator[Batch | DataFailure]) -> Batch | DataFailure | None:
    try:
        return next(incoming, None)
    except (EOFError, ConnectionError):  # the worker died while it sent a batch
        with suppress(RuntimeError):
            time.sleep(_NOTICE_SECONDS)  # torch's own error must not interrupt us later
        raise ResourceError(_LOST_WORKER) from None


def _ignore_signals(_: int) -> None:
    """Make a worker ignore Ctrl-C and signals to the process group; the main process stops it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
