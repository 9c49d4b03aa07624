"""One optimisation step of the main stage."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace

import torch

from cpabmm_core.data.batches import Batch
from cpabmm_core.losses.objective import Outcome
from cpabmm_core.training.adversary import Adversary
from cpabmm_core.training.clipping import clip_gradients
from cpabmm_core.training.reporting import TrainingReporter
from cpabmm_core.training.run_folder import RunFolder
from cpabmm_core.training.sampling import sample_step
from cpabmm_core.training.schedule import (
    background_dropout,
    candidate_dropout,
    learning_rate_factor,
)
from cpabmm_core.training.session import Session
from cpabmm_core.training.stage import FinitenessGuard


class TrainingStep:
    """Takes optimisation steps of the model, its moving average and the discriminator.

    Args:
        session: the parts of the run.
        folder: its folder, for error messages. Nothing is written to it.
        reporter: receives messages about damaged clips.
    """

    def __init__(self, session: Session, folder: RunFolder, reporter: TrainingReporter) -> None:
        self.session, self.settings = session, session.config.training
        self.accelerator, self.model = session.accelerator, session.model
        self.guard = FinitenessGuard(self.accelerator, folder, "training.learning_rate")
        self.clipped: list[bool] = []
        """Whether a gradient was clipped, for each step since the last call of `take_clipped`."""
        self._reporter = reporter

    @property
    def learning_rate(self) -> float:
        """The learning rate of the last step."""
        rate: float = self.session.optimizer.param_groups[0]["lr"]
        return rate

    def take_clipped(self) -> list[bool]:
        """Return `clipped` and clear it."""
        clipped, self.clipped = self.clipped, []
        return clipped

    def take(self, batches: Iterator[Batch], step: int) -> tuple[Batch, Outcome]:
        """Take a step on `accumulation` batches and return the last one with its outcome.

        Args:
            batches: source of the batches.
            step: number of completed steps.

        Raises:
            TrainingError: a loss or a gradient is not finite.
        """
        epoch = step / self.session.steps_per_epoch
        self._set_learning_rate(epoch)
        self.session.optimizer.zero_grad()
        statistics = self._copy_statistics()
        batch, outcome, names, finite = self._accumulate(batches, step, epoch)
        self.accelerator.unscale_gradients(self.session.optimizer)
        clipping = clip_gradients(self.model, self.settings.clip_largest_entry)
        self.clipped.append(clipping.clipped)
        finite &= self.guard.check("gradient", clipping.largest, names, step + 1)
        self.session.optimizer.step()  # in fp16 this skips a step that overflowed
        if not finite:
            for buffer, before in zip(self.model.buffers(), statistics, strict=True):
                buffer.copy_(before)
        elif self.session.average is not None:
            self.session.average.update(self.model, step + 1)
        if self.session.adversary is not None:
            adversary = self.session.adversary
            outcome, both_finite = self._train_adversary(adversary, outcome, names, step)
            finite &= both_finite
        self.guard.overflows = 0 if finite else self.guard.overflows + 1
        return batch, outcome

    def _set_learning_rate(self, epoch: float) -> None:
        settings = self.settings
        factor = learning_rate_factor(settings.milestones, settings.milestone_factor, epoch)
        for group in self.session.optimizer.param_groups:
            group["lr"] = settings.learning_rate * factor

    def _copy_statistics(self) -> list[torch.Tensor]:
        """Copy the running statistics, which an overflow in fp16 would corrupt."""
        overflows = self.accelerator.mixed_precision == "fp16"
        return [buffer.clone() for buffer in self.model.buffers()] if overflows else []

    def _accumulate(
        self, batches: Iterator[Batch], step: int, epoch: float
    ) -> tuple[Batch, Outcome, list[str], bool]:
        """Accumulate gradients over the batches of a step.

        Returns:
            The last batch, its outcome, the names of all clips, and whether all losses are finite.
        """
        finite, names = True, []
        adversary, parts = self.session.adversary, self.settings.accumulation
        for part in range(parts):
            batch = next(batches)
            for note in batch.notes:
                self._reporter.message(note)
            names += batch.names
            last = part == parts - 1
            with nullcontext() if last else self.accelerator.no_sync(self.session.objective):
                outcome = self._forward(batch, step, part, epoch)
                loss = outcome.losses["loss"]
                finite &= self.guard.check("loss", loss, batch.names, step + 1)
                self.accelerator.backward(loss / parts)
            if adversary is not None:
                adversary.remember(batch.driving, outcome.pair)
        return batch, outcome, names, finite

    def _forward(self, batch: Batch, step: int, part: int, epoch: float) -> Outcome:
        settings, count, world = self.settings, len(batch.names), self.accelerator.num_processes
        first = (part * world + self.accelerator.process_index) * count
        sample = sample_step(
            (settings.seed, step),
            count * world * settings.accumulation,
            slice(first, first + count),
            1 + self.model.candidate_motion.count,
            candidate_dropout(settings.candidate_dropout, epoch),
            self.accelerator.device,
            motion=self.model.motion_kind,
            background_dropout=background_dropout(settings.candidate_dropout, epoch),
        )
        with self.accelerator.autocast():
            outcome: Outcome = self.session.objective(
                batch.source,
                batch.driving,
                sample=sample,
                with_background=epoch >= settings.background_from_epoch,
            )
        return outcome

    def _train_adversary(
        self, adversary: Adversary, outcome: Outcome, names: list[str], step: int
    ) -> tuple[Outcome, bool]:
        """Train the discriminator.

        Returns:
            The outcome with the discriminator's loss, and whether loss and gradient are finite.
        """
        loss, norm = adversary.differentiate(self.learning_rate)
        finite = self.guard.check("discriminator's loss", loss, names, step + 1)
        finite &= self.guard.check("discriminator's gradient", norm, names, step + 1)
        adversary.step()
        return replace(outcome, losses={**outcome.losses, "discriminator": loss}), finite
