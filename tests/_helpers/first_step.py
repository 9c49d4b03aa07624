"""Gradients of the first training step, in one or several processes."""

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
    """Take the first step and save the gradients of this process."""
    gradients, rank = first_gradients(config, data, out)
    torch.save(gradients, out / f"gradients-{rank}.pt")


def first_gradients(config: Path, data: Path, out: Path) -> tuple[dict[str, Tensor], int]:
    """Return the gradient of each parameter by name, and the rank of this process."""
    session = _after_first_step(config, data, out)
    gradients = {
        name: parameter.grad.clone()
        for name, parameter in session.model.named_parameters()
        if parameter.grad is not None
    }
    return gradients, session.accelerator.process_index


def write_discriminator_gradients(config: Path, data: Path, out: Path) -> None:
    """Do the same as `write_gradients` for the discriminator."""
    gradients, rank = discriminator_gradients(config, data, out)
    torch.save(gradients, out / f"gradients-{rank}.pt")


def discriminator_gradients(config: Path, data: Path, out: Path) -> tuple[dict[str, Tensor], int]:
    """Return the discriminator's gradients, read off Adam's first moment after its first step."""
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
