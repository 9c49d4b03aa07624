"""Training sessions for tests that take single steps."""

from pathlib import Path

import torch

from cpabmm_core.config import Config
from cpabmm_core.training.run import TrainingRun
from cpabmm_core.training.session import Session, open_session


def session_of(settings: Config, data: Path, out: Path) -> Session:
    """Open a session on the CPU, always with the same initial weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return open_session(TrainingRun(settings, data, out, device="cpu", allow_download=False))
