"""Estimates of the time and memory of a training run, which write nothing."""

import statistics
from dataclasses import dataclass
from time import perf_counter

import psutil
import torch

from cpabmm_core.data.batches import TimedBatches
from cpabmm_core.training.run import TrainingRun
from cpabmm_core.training.run_folder import RunFolder
from cpabmm_core.training.session import Session, open_session
from cpabmm_core.training.stage import own_accelerator_state
from cpabmm_core.training.step import TrainingStep

_STEPS = 3


@dataclass(frozen=True)
class Plan:
    """The size of a training run, and estimates of its time and memory.

    Example:
        >>> from dataclasses import fields
        >>> [field.name for field in fields(Plan)][:4]
        ['device', 'processes', 'identities', 'clips']
    """

    device: str
    """The device that training uses."""
    processes: int
    """Number of processes."""
    identities: int
    """Number of identities by name (`data.identities`), whether or not the run samples by them."""
    clips: int
    """Number of training clips."""
    test_pairs: int
    """Number of pairs that each validation reconstructs."""
    steps: int
    """Total number of steps."""
    steps_per_epoch: float
    """Number of steps in which each identity is sampled ``data.repeats`` times."""
    parameters: int
    """Number of trained parameters of the model."""
    memory_bytes: int
    """Peak memory of the device; on a CPU, memory of this process after the steps."""
    seconds_per_step: float
    """Median time of three steps."""
    data_share: float
    """Fraction of the time spent waiting for data."""


def plan(run: TrainingRun) -> Plan:
    """Check settings, weights and data, and measure three steps. Nothing is written.

    Args:
        run: the run. `resume` and `stop` are ignored.

    Raises:
        DataError: the data set is missing, empty or damaged.
        ConfigError: a setting cannot be satisfied.
        CheckpointError: weights cannot be read.
        TrainingError: a loss or a gradient is not finite.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from cpabmm_core.config import load_config
        >>> from cpabmm_core.puppets import write_puppets
        >>> from cpabmm_core.training import TrainingRun, plan
        >>> config = load_config("puppets-64", ["data.frame_size=32", "training.batch_size=2"])
        >>> with TemporaryDirectory() as folder:
        ...     data, out = Path(folder, "data"), Path(folder, "run")
        ...     _ = write_puppets(data, videos=2, test_videos=1, frames=4, size=32, seed=0)
        ...     found = plan(TrainingRun(config, data, out, device="cpu"))
        >>> found.steps, found.clips  # 2 clips x 10 repeats / batches of 2 x 4 epochs
        (40, 2)
    """
    with own_accelerator_state():
        session = open_session(run)
        session.objective.train()
        step = TrainingStep(session, RunFolder(run.out), run.reporter)
        batches = TimedBatches(session.batches(0, _STEPS))
        seconds = []
        for number in range(_STEPS):
            start = perf_counter()
            step.take(batches, number)
            _synchronise(session.accelerator.device)
            seconds.append(perf_counter() - start)
        return _describe(run, session, statistics.median(seconds), batches.share())


def _describe(run: TrainingRun, session: Session, seconds: float, data_share: float) -> Plan:
    return Plan(
        device=str(session.accelerator.device),
        processes=session.accelerator.num_processes,
        identities=session.dataset.identities,
        clips=session.dataset.clips,
        test_pairs=0 if session.validation is None else len(session.validation),
        steps=run.steps or round(run.config.training.epochs * session.steps_per_epoch),
        steps_per_epoch=session.steps_per_epoch,
        parameters=sum(p.numel() for p in session.model.parameters() if p.requires_grad),
        memory_bytes=_memory(session.accelerator.device),
        seconds_per_step=seconds,
        data_share=data_share,
    )


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return int(psutil.Process().memory_info().rss)
