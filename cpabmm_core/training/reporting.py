"""What a training run tells whoever watches it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class TrainingReporter(Protocol):
    """Receives the run's news; the command line shows them with a progress bar."""

    def start(self, total_steps: int, first_step: int) -> None:
        """The run begins after `first_step` steps that were made before."""

    def step(self, step: int, losses: Mapping[str, float], data_share: float) -> None:
        """`step` steps are done; the losses of the last one, the part of the time spent on data."""

    def validation(self, step: int, l1: float, standing_still: float) -> None:
        """The test videos were reconstructed with that L1; without motion it is the other."""

    def message(self, text: str) -> None:
        """Something the person should know."""

    def panel(self, path: Path) -> None:
        """A picture of the current results was written."""

    def finish(self) -> None:
        """The run is over."""


class Silent:
    """A reporter for callers who do not watch."""

    def start(self, total_steps: int, first_step: int) -> None:
        """Ignored."""

    def step(self, step: int, losses: Mapping[str, float], data_share: float) -> None:
        """Ignored."""

    def validation(self, step: int, l1: float, standing_still: float) -> None:
        """Ignored."""

    def message(self, text: str) -> None:
        """Ignored."""

    def panel(self, path: Path) -> None:
        """Ignored."""

    def finish(self) -> None:
        """Ignored."""
