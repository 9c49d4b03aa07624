"""Parts that both stages of training share: opening a run, saving, stopping, finiteness checks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import gather_object

from cpabmm_core.config import Config
from cpabmm_core.errors import Remedy, TrainingError, TrainingStopped
from cpabmm_core.training.run import TrainingRun
from cpabmm_core.training.run_folder import RunFolder
from cpabmm_core.training.run_lock import lock_folder

_MOST_OVERFLOWS = 25
"""The number of consecutive steps that may overflow in fp16. By then, the loss scaler has tried all
its scales."""


@contextmanager
def open_run(run: TrainingRun) -> Iterator[tuple[RunFolder, Path | None]]:
    """Lock the folder of a run and find the state to resume from.

    Raises:
        CheckpointError: there is no state to resume from.
        MediaError: the folder contains a run and `resume` was not given, or is locked.
    """
    folder = RunFolder(run.out)
    with own_accelerator_state(), lock_folder(run.out, run.device, run.reporter):
        start, messages = folder.find_state(run.resume)
        for message in messages:
            run.reporter.message(message)
        yield folder, start


@contextmanager
def own_accelerator_state() -> Iterator[None]:
    """Remove Accelerate's global state at the end, unless it existed before.

    The global state fixes the precision, so a later run in this process could not change it.
    """
    inherited = bool(AcceleratorState._shared_state)
    try:
        yield
    finally:
        if not inherited:
            AcceleratorState._reset_state()


def largest_value(accelerator: Accelerator, value: int) -> int:
    """Return the largest of the values of all processes."""
    if accelerator.num_processes == 1:
        return value
    mine = torch.tensor([value], device=accelerator.device)
    return int(accelerator.gather(mine).max())


class Stage:
    """The saving and stopping of a run, between its optimisation steps.

    Args:
        run: the run.
        folder: its folder.
        accelerator: its accelerator.
        checkpoint_every: steps between two saved states.
    """

    def __init__(
        self, run: TrainingRun, folder: RunFolder, accelerator: Accelerator, checkpoint_every: int
    ) -> None:
        self.folder, self.accelerator = folder, accelerator
        self.total = 0
        """Total number of steps, set before the first one."""
        self._stop, self._checkpoint_every = run.stop, checkpoint_every

    def begin(self, config: Config, start: Path | None, restore: Callable[[Path], int]) -> int:
        """Claim the folder, restore a saved state and return the number of completed steps.

        Args:
            config: the configuration to write into the folder.
            start: the state to resume from, if any.
            restore: loads a state and returns its number of steps.
        """
        if self.accelerator.is_main_process:
            self.folder.claim(config)
        self.accelerator.wait_for_everyone()
        done = 0 if start is None else restore(start)
        if self.accelerator.is_main_process:
            self.folder.rewind(done)
        self.accelerator.wait_for_everyone()
        return done

    def is_due(self, step: int, every: int) -> bool:
        """Return whether `step` is a multiple of `every`, or the last step."""
        return step % every == 0 or step == self.total

    def save_or_stop(self, step: int, save: Callable[[int], None]) -> None:
        """Save a state if one is due or the run was asked to stop, and stop the run if asked.

        Raises:
            TrainingStopped: the run was asked to stop before the last step.
        """
        signal = largest_value(self.accelerator, self._stop() or 0)
        if signal or self.is_due(step, self._checkpoint_every):
            save(step)
        if signal and step < self.total:
            self._end()
            raise TrainingStopped(
                f"stopped after step {step} of {self.total}",
                'resume with resume="auto"',
                signal=signal,
                remedy=Remedy.RESUME,
            )

    def _end(self) -> None:
        """Flush the trackers in all processes, then leave the process group.

        When one process exits with an error, the launcher terminates the others, so all must be
        ready first.
        """
        for tracker in self.accelerator.trackers:
            tracker.finish()
        self.accelerator.trackers = []
        self.accelerator.wait_for_everyone()
        self.accelerator.end_training()


class FinitenessGuard:
    """Stops a run whose losses or gradients are not finite.

    In fp16, some consecutive steps may overflow while the loss scaler searches for its scale.

    Args:
        accelerator: accelerator of the run.
        folder: its folder. The error message suggests the newest state in it.
        setting: key of the learning rate, for the error message.
    """

    def __init__(self, accelerator: Accelerator, folder: RunFolder, setting: str) -> None:
        self.overflows = 0
        """Number of consecutive steps that overflowed in fp16."""
        self._accelerator, self._folder, self._setting = accelerator, folder, setting

    def check(self, what: str, value: torch.Tensor, clips: list[str], step: int) -> bool:
        """Return whether a value is finite in all processes. It may only be non-finite in fp16.

        Args:
            what: name of the value.
            value: a scalar.
            clips: names of the clips that it was computed on.
            step: number of the step, from 1.

        Raises:
            TrainingError: the value is not finite.
        """
        broken = [] if bool(value.isfinite()) else [(value.item(), clips)]
        if not largest_value(self._accelerator, len(broken)):
            return True
        if self._accelerator.mixed_precision == "fp16" and self.overflows < _MOST_OVERFLOWS:
            return False
        found = gather_object(broken)
        names = ", ".join(dict.fromkeys(name for _, names in found for name in names))
        last, _ = self._folder.newest_state()
        cure = f"resume from {last}" if last else "start again"
        raise TrainingError(
            f"the {what} of step {step} is {found[0][0]}{', on ' if names else ''}{names}; lower "
            f"{self._setting} and {cure}"
        )
