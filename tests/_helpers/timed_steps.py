"""Training steps on random puppets, for benchmarks and profiles."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from cpabmm_core.config import load_config
from cpabmm_core.data.batches import Batch
from cpabmm_core.puppets import write_puppets
from cpabmm_core.training.reporting import Silent
from cpabmm_core.training.run import TrainingRun
from cpabmm_core.training.run_folder import RunFolder
from cpabmm_core.training.session import open_session
from cpabmm_core.training.stage import own_accelerator_state
from cpabmm_core.training.step import TrainingStep

_MOST = 1_000_000
ALWAYS = ("training.trackers=[]",)
FULL_WIDTH = (
    "losses.reconstruction_kind=pixel",  # needs no weights
    "losses.semantic=0",
    "losses.structure=0",
    "training.candidate_dropout.maximum=0",
)
"""Changes of a configuration of the paper that make its step independent of other weights."""


class Steps:
    """The steps of a run, all with its first batch.

    Args:
        step: takes the steps.
    """

    def __init__(self, step: TrainingStep) -> None:
        self.step = step
        self._batches = step.session.batches(0, _MOST)
        self.batch = self.read()

    def read(self) -> Batch:
        """Read the next batch."""
        return next(self._batches)

    def take(self) -> float:
        """Take a step and return its loss."""
        _, outcome = self.step.take(iter([self.batch]), 0)
        return float(outcome.losses["loss"].detach())


@contextmanager
def open_steps(config: str, changes: Iterable[str] = (), *, device: str = "cpu") -> Iterator[Steps]:
    """Open a run of a configuration on new puppets of its frame size.

    Args:
        config: name of the configuration.
        changes: settings to change, each ``key=value``.
        device: device of the run.
    """
    settings = load_config(config, [*ALWAYS, *changes])
    size = settings.data.frame_size
    with TemporaryDirectory() as folder, own_accelerator_state():
        data, out = Path(folder, "data"), Path(folder, "run")
        write_puppets(data, videos=4, test_videos=1, frames=8, size=size, seed=0, format="strip")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            session = open_session(
                TrainingRun(settings, data, out, device=device, allow_download=False)
            )
        session.objective.train()
        yield Steps(TrainingStep(session, RunFolder(out), Silent()))
