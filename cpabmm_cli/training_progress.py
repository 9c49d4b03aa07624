"""Progress of training: a bar with the losses on a terminal, periodic lines elsewhere."""

from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

from cpabmm_cli.console import Terminal

_SECONDS_BETWEEN_LINES = 10.0


class TrainingProgress:
    """Shows the events of a training run (see `cpabmm_core.training.TrainingReporter`).

    As a context manager, it removes the bar even if the run fails.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._bar = terminal.bar()
        self._task = self._bar.add_task("training", start=False, total=None)
        self._total = self._first = 0
        self._started = self._last_line = monotonic()

    def __enter__(self) -> Self:
        """Return the reporter."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the bar."""
        self.finish()

    def start(self, total_steps: int, first_step: int) -> None:
        """Show the bar."""
        self._total, self._first = total_steps, first_step
        self._started = self._last_line = monotonic()
        self._bar.start()
        self._bar.reset(self._task, total=total_steps, completed=first_step)

    def step(self, step: int, losses: Mapping[str, float], data_share: float) -> None:
        """Show speed, share of time spent on data, and losses."""
        now = monotonic()
        speed = (step - self._first) / max(now - self._started, 1e-9)
        named = "  ".join(f"{name} {value:.4g}" for name, value in losses.items())
        status = f"{speed:.2f} steps/s  data {data_share:.0%}  {named}"
        self._bar.note = status
        self._bar.update(self._task, completed=step)
        if not self._terminal.is_interactive and (
            step == self._total or now - self._last_line >= _SECONDS_BETWEEN_LINES
        ):
            self._last_line = now
            left = (self._total - step) / speed
            self._terminal.say(f"step {step}/{self._total}  {left:.0f} s left  {status}")

    def validation(self, step: int, l1: float, standing_still: float) -> None:
        """Print the L1 of the test clips and its ratio to the static baseline."""
        self._terminal.say(
            f"step {step}: test l1 {l1:.5f}, static baseline {standing_still:.5f}, "
            f"ratio {l1 / max(standing_still, 1e-12):.3f}"
        )

    def message(self, text: str) -> None:
        """Print a status message."""
        self._terminal.say(text)

    def panel(self, path: Path) -> None:
        """Print the path of a panel."""
        self._terminal.say(f"panel {path}")

    def finish(self) -> None:
        """Remove the bar."""
        self._bar.stop()
