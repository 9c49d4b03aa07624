"""Training on the screen: a bar with the losses on a terminal, now and then a line elsewhere."""

from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

from cpabmm_cli.console import Terminal

_SECONDS_BETWEEN_LINES = 10.0


class TrainingProgress:
    """Reporter of a training run (`cpabmm_core.training.reporting.TrainingReporter`).

    As a context manager it gives the screen back however the run ends.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._bar = terminal.bar()
        self._task = self._bar.add_task("training", start=False, total=None)
        self._total = self._first = 0
        self._started = self._last_line = monotonic()

    def __enter__(self) -> Self:
        """The reporter itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar off the screen."""
        self.finish()

    def start(self, total_steps: int, first_step: int) -> None:
        """The run begins after `first_step` steps that were made before."""
        self._total, self._first = total_steps, first_step
        self._started = self._last_line = monotonic()
        self._bar.start()
        self._bar.reset(self._task, total=total_steps, completed=first_step)

    def step(self, step: int, losses: Mapping[str, float], data_share: float) -> None:
        """`step` steps are done; show what the last one lost."""
        now = monotonic()
        speed = (step - self._first) / max(now - self._started, 1e-9)
        named = "  ".join(f"{name} {value:.4g}" for name, value in losses.items())
        state = f"{speed:.2f} steps/s  data {data_share:.0%}  {named}"
        self._bar.note = state
        self._bar.update(self._task, completed=step)
        if not self._terminal.is_interactive and (
            step == self._total or now - self._last_line >= _SECONDS_BETWEEN_LINES
        ):
            self._last_line = now
            left = (self._total - step) / speed
            self._terminal.say(f"step {step}/{self._total}  {left:.0f} s left  {state}")

    def validation(self, step: int, l1: float, standing_still: float) -> None:
        """The test videos were reconstructed."""
        self._terminal.say(
            f"step {step}: test l1 {l1:.5f}, standing still {standing_still:.5f}, "
            f"ratio {l1 / max(standing_still, 1e-12):.3f}"
        )

    def message(self, text: str) -> None:
        """Something the person should know."""
        self._terminal.say(text)

    def panel(self, path: Path) -> None:
        """A picture of the current results was written."""
        self._terminal.say(f"panel {path}")

    def finish(self) -> None:
        """Take the bar off the screen."""
        self._bar.stop()
