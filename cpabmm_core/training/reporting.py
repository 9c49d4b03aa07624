"""The interface through which a training run reports its progress."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class TrainingReporter(Protocol):
    """Receives the events of a training run. The command line shows them with a progress bar.

    Example:
        >>> from cpabmm_core.training import Silent
        >>> class PrintMessages(Silent):
        ...     def message(self, text):
        ...         print(text)
        >>> reporter: TrainingReporter = PrintMessages()
        >>> reporter.message("precision: fp32")
        precision: fp32
    """

    def start(self, total_steps: int, first_step: int) -> None:
        """Handle the start of training, after `first_step` steps of an earlier session."""

    def step(self, step: int, losses: Mapping[str, float], data_share: float) -> None:
        """Handle a logged step.

        Args:
            step: number of completed steps.
            losses: losses of the last step by name.
            data_share: fraction of the time since the last call spent waiting for data.
        """

    def validation(self, step: int, l1: float, standing_still: float) -> None:
        """Handle a validation.

        Args:
            step: number of completed steps.
            l1: L1 of the reconstructed test clips.
            standing_still: L1 of the static baseline.
        """

    def message(self, text: str) -> None:
        """Handle a status message."""

    def panel(self, path: Path) -> None:
        """Handle a new panel."""

    def finish(self) -> None:
        """Handle the end of training."""


class Silent:
    """A reporter that ignores all events.

    Example:
        >>> Silent().message("precision: fp32")
    """

    def start(self, total_steps: int, first_step: int) -> None:
        """Do nothing."""

    def step(self, step: int, losses: Mapping[str, float], data_share: float) -> None:
        """Do nothing."""

    def validation(self, step: int, l1: float, standing_still: float) -> None:
        """Do nothing."""

    def message(self, text: str) -> None:
        """Do nothing."""

    def panel(self, path: Path) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""
