"""The parts of a training run, for tests that take its steps themselves."""

from pathlib import Path

import torch

from cpabmm_core.config import Config
from cpabmm_core.training.run import TrainingRun
from cpabmm_core.training.session import Session, open_session


def session_of(settings: Config, data: Path, out: Path) -> Session:
    """A session on the CPU; its first weights are the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return open_session(TrainingRun(settings, data, out, device="cpu", allow_download=False))
