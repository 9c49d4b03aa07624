"""The gradients of a run's first step, however many processes share it."""

from pathlib import Path

import torch
from _helpers.sessions import session_of
from torch import Tensor

from cpabmm_core.config import load_config
from cpabmm_core.data.batches import TimedBatches
from cpabmm_core.training.reporting import Silent
from cpabmm_core.training.run_folder import RunFolder
from cpabmm_core.training.session import Session
from cpabmm_core.training.step import TrainingStep


def write_gradients(config: Path, data: Path, out: Path) -> None:
    """Take the first step and write the gradients that this process has then."""
    gradients, rank = first_gradients(config, data, out)
    torch.save(gradients, out / f"gradients-{rank}.pt")


def first_gradients(config: Path, data: Path, out: Path) -> tuple[dict[str, Tensor], int]:
    """The gradients of each parameter by name, and the number of this process."""
    session = _after_first_step(config, data, out)
    gradients = {
        name: parameter.grad.clone()
        for name, parameter in session.model.named_parameters()
        if parameter.grad is not None
    }
    return gradients, session.accelerator.process_index


def write_discriminator_gradients(config: Path, data: Path, out: Path) -> None:
    """As `write_gradients`, for the discriminator."""
    gradients, rank = discriminator_gradients(config, data, out)
    torch.save(gradients, out / f"gradients-{rank}.pt")


def discriminator_gradients(config: Path, data: Path, out: Path) -> tuple[dict[str, Tensor], int]:
    """As `first_gradients`; they are forgotten after its step, but Adam remembers its first."""
    session = _after_first_step(config, data, out)
    adversary = session.adversary
    assert adversary is not None
    share = 1 - adversary.optimizer.param_groups[0]["betas"][0]
    gradients = {
        name: adversary.optimizer.state[parameter]["exp_avg"] / share
        for name, parameter in adversary.discriminator.named_parameters()
    }
    return gradients, session.accelerator.process_index


def _after_first_step(config: Path, data: Path, out: Path) -> Session:
    session = session_of(load_config(config), data, out)
    step = TrainingStep(session, RunFolder(out), Silent())
    session.objective.train()
    step.take(TimedBatches(session.batches(0, 1)), 0)
    session.accelerator.end_training()
    return session
