"""A look ahead at a training run: what it would take, found out without writing anything."""

import statistics
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import psutil
import torch

from cpabmm_core.config import Config
from cpabmm_core.data.batches import TimedBatches
from cpabmm_core.training.loop import Trainer
from cpabmm_core.training.reporting import Silent, TrainingReporter
from cpabmm_core.training.session import open_session
from cpabmm_core.training.state import RunFolder

_STEPS = 3


@dataclass(frozen=True)
class Plan:
    """What a run would take."""

    device: str
    processes: int
    identities: int
    """By name (`data.identities`), whether or not the run draws by them."""
    clips: int
    test_pairs: int
    steps: int
    steps_per_epoch: float
    parameters: int
    """Trained numbers of the model."""
    memory_bytes: int
    """Of the device after the steps, at its peak; on a CPU, of this process."""
    seconds_per_step: float
    """The middle one of three."""
    data_share: float
    """Part of the time that was spent waiting for data."""


def plan(
    config: Config,
    data: Path,
    out: Path,
    *,
    steps: int | None = None,
    device: str = "auto",
    init_from: str | Path | None = None,
    allow_download: bool = True,
    reporter: TrainingReporter | None = None,
) -> Plan:
    """Check settings, weights and data, take three steps in memory, and forget them.

    Arguments and errors are those of `training.loop.train`.
    """
    reporter = reporter or Silent()
    session = open_session(
        config,
        data,
        out,
        device=device,
        init_from=init_from,
        allow_download=allow_download,
        reporter=reporter,
    )
    trainer = Trainer(session, RunFolder(out), lambda: None, reporter)
    session.objective.train()
    batches = TimedBatches(session.batches(0, _STEPS))
    seconds = []
    for step in range(_STEPS):
        start = perf_counter()
        trainer.step(batches, step)
        _wait(session.accelerator.device)
        seconds.append(perf_counter() - start)
    return Plan(
        device=str(session.accelerator.device),
        processes=session.accelerator.num_processes,
        identities=session.dataset.identities,
        clips=session.dataset.clips,
        test_pairs=0 if session.validation is None else len(session.validation),
        steps=steps or round(config.training.epochs * session.steps_per_epoch),
        steps_per_epoch=session.steps_per_epoch,
        parameters=sum(p.numel() for p in session.model.parameters() if p.requires_grad),
        memory_bytes=_memory(session.accelerator.device),
        seconds_per_step=statistics.median(seconds),
        data_share=batches.share(),
    )


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return int(psutil.Process().memory_info().rss)
