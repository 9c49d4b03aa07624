"""The description of a training run: what to train, on which data, into which folder."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from cpabmm_core.config import Config
from cpabmm_core.training.reporting import Silent, TrainingReporter

Stop = Callable[[], int | None]
"""Returns the number of the signal that asks the run to stop, or None."""


def never_stop() -> None:
    """Never ask the run to stop."""


@dataclass(frozen=True)
class TrainingRun:
    """A training run, the argument of `train`, `train_avd` and `plan`.

    Example:
        >>> from pathlib import Path
        >>> from cpabmm_core.config import load_config
        >>> from cpabmm_core.training import TrainingRun
        >>> run = TrainingRun(load_config("puppets-64"), Path("data"), Path("runs/mine"), steps=100)
        >>> run.device
        'auto'
    """

    config: Config
    """Settings of data, model, losses and optimisation."""
    data: Path
    """Folder of the data set. It contains the sub-folders ``train`` and ``test`` with one clip per
    file or folder. Otherwise it contains the clips themselves; ``data.test_share`` of their
    identities are then held out for validation."""
    out: Path
    """Folder of the run, created if it does not exist."""
    _: KW_ONLY
    resume: str | None = None
    """State to resume from: ``auto`` (the newest undamaged state in `out`, if any), the path of a
    state, or None for a new run."""
    steps: int | None = None
    """Total number of steps. None trains for the configured number of epochs."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``mps``."""
    init_from: str | Path | None = None
    """Name or path of the checkpoint that initialises the weights. Tensors that do not match are
    initialised at random. The avd stage requires it, as the model for which it trains a network."""
    allow_download: bool = True
    """Whether the weights of frozen networks may be downloaded."""
    stop: Stop = never_stop
    """Called after every step. If it returns the number of a signal, the run saves its state and
    stops."""
    reporter: TrainingReporter = field(default_factory=Silent)
    """Receives progress and status messages."""
