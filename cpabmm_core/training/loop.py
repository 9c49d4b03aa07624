"""The training loop."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import torch
from accelerate.utils import broadcast, gather_object

from cpabmm_core.checkpoint.format import save_checkpoint
from cpabmm_core.config import Config
from cpabmm_core.data.batches import Batch, TimedBatches, lost_workers_as_errors
from cpabmm_core.errors import Remedy, TrainingError, TrainingStopped
from cpabmm_core.losses.objective import Outcome
from cpabmm_core.media.image import write_image
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.build import keypoint_groups
from cpabmm_core.training.adversary import Adversary
from cpabmm_core.training.clipping import clip_gradients
from cpabmm_core.training.sampling import draw
from cpabmm_core.training.panels import panel
from cpabmm_core.training.reporting import Silent, TrainingReporter
from cpabmm_core.training.run_lock import sole_run
from cpabmm_core.training.schedule import candidate_dropout, learning_rate_factor
from cpabmm_core.training.session import Session, open_session
from cpabmm_core.training.state import (
    MODEL_FILE,
    RunFolder,
    TrainerState,
    load_state,
    save_state,
)
from cpabmm_core.training.tracking import start_trackers
from cpabmm_core.training.validation import validate

_MOST_OVERFLOWS = 25
"""Steps in a row that fp16 may spoil; by then the scaler has tried all its scales."""

Stop = Callable[[], int | None]
"""The number of the signal that asks the run to stop, if one does."""


def train(
    config: Config,
    data: Path,
    out: Path,
    *,
    resume: str | None = None,
    steps: int | None = None,
    device: str = "auto",
    init_from: str | Path | None = None,
    allow_download: bool = True,
    stop: Stop = lambda: None,
    reporter: TrainingReporter | None = None,
) -> Path:
    """Train a model on a data set and write log, panels, states and the model into ``out``.

    The first weights come from torch's global generator: seed it for a run that can be repeated.
    Everything else that is random is a function of ``training.seed`` and the step, so a resumed run
    goes on as the uninterrupted one would have. Under ``accelerate launch`` and the like every
    process calls this; one of them writes.

    Args:
        config: what to train and how.
        data: folder with ``train`` and ``test``, one clip per file or folder in each; or with clips
            themselves, of which ``data.test_share`` are held out.
        out: the run's folder, made if missing.
        resume: ``auto`` (the newest whole state in `out`, if any), the path of a state, or None.
        steps: steps in all, instead of ``training.epochs``.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        init_from: checkpoint to take the first weights from, as far as they fit.
        allow_download: whether the weights of frozen networks may be downloaded.
        stop: asked after every step whether to save the state and stop.
        reporter: told of the progress.

    Returns:
        The checkpoint of the trained model, ``out/model.safetensors``.

    Raises:
        DataError: the data set is missing, empty or damaged.
        ConfigError: a setting that cannot be met.
        CheckpointError: no state to resume from, or weights that cannot be read.
        MediaError: `out` holds another run and `resume` was not given, or a run is writing there.
        TrainingError: a loss or a gradient is not finite.
        TrainingStopped: `stop` asked for it.
    """
    run, reporter = RunFolder(out), reporter or Silent()
    with sole_run(out, device, reporter):
        start, notes = run.resume_from(resume)
        for note in notes:
            reporter.message(note)
        session = open_session(
            config,
            data,
            out,
            device=device,
            init_from=None if start else init_from,
            allow_download=allow_download,
            reporter=reporter,
        )
        return Trainer(session, run, stop, reporter).run(start, steps)


class Trainer:
    """Takes the steps of a run, and writes what it is to leave behind."""

    def __init__(
        self, session: Session, run: RunFolder, stop: Stop, reporter: TrainingReporter
    ) -> None:
        self.session, self.folder, self.stop, self.reporter = session, run, stop, reporter
        self.config, self.settings = session.config, session.config.training
        self.accelerator, self.model = session.accelerator, session.model
        self.best: float | None = None
        self.overflows = 0
        self.clipped: list[bool] = []
        """Of each step since the last line of the log, whether a gradient was clipped."""
        self.total = 0

    def run(self, start: Path | None, steps: int | None) -> Path:
        """Train to the end and write the model."""
        if self.accelerator.is_main_process:
            self.folder.claim(self.session.given)
            self.folder.panels.mkdir(exist_ok=True)
        self.accelerator.wait_for_everyone()
        done = 0 if start is None else self._restore(start)
        if self.accelerator.is_main_process:
            self.folder.forget_after(done)
        self.accelerator.wait_for_everyone()
        start_trackers(self.accelerator, self.config)
        self.total = steps or round(self.settings.epochs * self.session.steps_per_epoch)
        self.reporter.start(self.total, done)
        self.session.objective.train()
        batches = TimedBatches(self.session.batches(done, self.total))
        with lost_workers_as_errors():
            for step in range(done, self.total):
                batch, outcome = self.step(batches, step)
                self._look_back(batch, outcome, step + 1, batches)
        self.reporter.finish()
        self.accelerator.end_training()
        final = self.folder.path / MODEL_FILE
        if self.accelerator.is_main_process:
            self._write_model(final, max(done, self.total))
        return final

    def _look_back(self, batch: Batch, outcome: Outcome, step: int, batches: TimedBatches) -> None:
        """Show, evaluate and save what `step` steps have come to, and stop if asked to."""
        if self._due(step, self.settings.log_every) or step == 1:
            self._log(outcome, step, batches.share())
        if self.accelerator.is_main_process and self._due(step, self.settings.panel_every):
            self._draw(batch, outcome, step)
        self._evaluate(step)
        signal = self._agreed(self.stop() or 0)
        if signal or self._due(step, self.settings.checkpoint_every):
            self._save(step)
        if signal and step < self.total:
            self.accelerator.end_training()
            raise TrainingStopped(
                f"stopped after step {step} of {self.total}",
                'resume with resume="auto"',
                signal=signal,
                remedy=Remedy.RESUME,
            )

    def step(self, batches: Iterator[Batch], step: int) -> tuple[Batch, Outcome]:
        """One step of the optimizer, on `accumulation` batches; the last one and its outcome."""
        settings, optimizer = self.settings, self.session.optimizer
        adversary = self.session.adversary
        epoch = step / self.session.steps_per_epoch
        factor = learning_rate_factor(settings.milestones, settings.milestone_factor, epoch)
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * factor
        optimizer.zero_grad()
        finite, names = True, []
        statistics = self._statistics()
        for part in range(settings.accumulation):
            batch = next(batches)
            for note in batch.notes:
                self.reporter.message(note)
            names += batch.names
            last = part == settings.accumulation - 1
            alone = nullcontext() if last else self.accelerator.no_sync(self.session.objective)
            with alone:
                outcome = self._forward(batch, step, part, epoch)
                loss = outcome.losses["loss"]
                finite = self._is_finite("loss", loss, batch.names, step) and finite
                self.accelerator.backward(loss / settings.accumulation)
            if adversary is not None:
                adversary.remember(batch.driving, outcome)
        self.accelerator.unscale_gradients(self.session.optimizer)
        found = clip_gradients(self.model, settings.clip_largest_entry)
        self.clipped.append(found.clipped)
        finite = finite and self._is_finite("gradient", found.largest, names, step)
        optimizer.step()  # which in fp16 leaves out a step that overflowed
        if not finite:
            for buffer, before in zip(self.model.buffers(), statistics, strict=True):
                buffer.copy_(before)
        elif self.session.average is not None:
            self.session.average.update(self.model, step + 1)
        if adversary is not None:
            outcome, finite = self._teach(adversary, outcome, names, step, finite)
        self.overflows = 0 if finite else self.overflows + 1
        return batch, outcome

    def _teach(
        self, adversary: Adversary, outcome: Outcome, names: list[str], step: int, finite: bool
    ) -> tuple[Outcome, bool]:
        """The discriminator's own step; its loss beside the others, and whether all is `finite`."""
        rate = self.session.optimizer.param_groups[0]["lr"]
        loss, norm = adversary.differentiate(rate)
        finite = self._is_finite("discriminator's loss", loss, names, step) and finite
        finite = self._is_finite("discriminator's gradient", norm, names, step) and finite
        adversary.step()
        return replace(outcome, losses={**outcome.losses, "discriminator": loss}), finite

    def _statistics(self) -> list[torch.Tensor]:
        """Running statistics, to go back to if fp16 overflows into them."""
        overflows = self.accelerator.mixed_precision == "fp16"
        return [buffer.clone() for buffer in self.model.buffers()] if overflows else []

    def _forward(self, batch: Batch, step: int, part: int, epoch: float) -> Outcome:
        settings, count, world = self.settings, len(batch.names), self.accelerator.num_processes
        first = (part * world + self.accelerator.process_index) * count
        draws = draw(
            (settings.seed, step),
            count * world * settings.accumulation,
            slice(first, first + count),
            1 + self.model.candidate_motion.count,
            candidate_dropout(settings.candidate_dropout, epoch),
            self.accelerator.device,
            motion=self.model.motion_kind,
        )
        with self.accelerator.autocast():
            outcome: Outcome = self.session.objective(
                batch.source,
                batch.driving,
                draws=draws,
                with_background=epoch >= settings.background_from_epoch,
            )
        return outcome

    def _is_finite(self, what: str, value: torch.Tensor, names: list[str], step: int) -> bool:
        """Whether it is finite in all processes; only in fp16, for a while, may it be not."""
        broken = [] if bool(value.isfinite()) else [(value.item(), names)]
        if not self._agreed(len(broken)):
            return True
        if self.accelerator.mixed_precision == "fp16" and self.overflows < _MOST_OVERFLOWS:
            return False
        found = gather_object(broken)
        clips = ", ".join(dict.fromkeys(name for _, names in found for name in names))
        last, _ = self.folder.newest_state()
        raise TrainingError(
            f"the {what} of step {step + 1} is {found[0][0]}, on {clips}; lower "
            f"training.learning_rate and resume from {last or 'the start'}"
        )

    def _agreed(self, value: int) -> int:
        """The largest of the processes' values."""
        if self.accelerator.num_processes == 1:
            return value
        mine = torch.tensor([value], device=self.accelerator.device)
        return int(self.accelerator.gather(mine).max())

    def _due(self, step: int, every: int) -> bool:
        return step % every == 0 or step == self.total

    def _log(self, outcome: Outcome, step: int, data_share: float) -> None:
        """Tell the mean losses of all processes."""
        values = torch.stack([value.detach().float() for value in outcome.losses.values()])
        means = self.accelerator.reduce(values, "mean").tolist()
        losses = dict(zip(outcome.losses, means, strict=True))
        rate = self.session.optimizer.param_groups[0]["lr"]
        clipped, self.clipped = fmean(self.clipped), []
        if self.accelerator.is_main_process:
            line = {"step": step, **losses, "learning_rate": rate, "clipped": clipped}
            self.folder.append(self.folder.log, line)
        self.accelerator.log({**losses, "clipped": clipped, "data_share": data_share}, step=step)
        self.reporter.step(step, losses, data_share)

    def _draw(self, batch: Batch, outcome: Outcome, step: int) -> None:
        groups = keypoint_groups(self.config.model)
        path = self.folder.panels / f"step-{step:08d}.png"
        write_image(path, panel(batch.source, batch.driving, outcome, groups))
        self.reporter.panel(path)

    def _evaluate(self, step: int) -> None:
        """Reconstruct the test videos, and keep the model if it never did better."""
        if not self._due(step, self.settings.validate_every):
            return
        batches = self.session.validation_batches()
        if batches is None:
            return
        for buffer in self._result().buffers():
            broadcast(buffer)  # on CPUs each process has running statistics of its own
        found = validate(self._result(), batches, self.accelerator)
        if self.accelerator.is_main_process:
            self.folder.append(self.folder.validation, {"step": step, **found._asdict()})
            self.accelerator.log({"validation_l1": found.l1}, step=step)
            self.reporter.validation(step, *found)
        if self.best is None or found.l1 < self.best:
            self.best = found.l1
            if self.accelerator.is_main_process:
                self._write_model(self.folder.best, step, l1=found.l1)

    def _result(self) -> AnimationModel:
        """The model that the run is for: the averaged one if there is one."""
        return self.model if self.session.average is None else self.session.average.model

    def _write_model(self, path: Path, step: int, **figures: float) -> None:
        record = {**self.session.record, "step": step, **figures}
        save_checkpoint(path, self._result(), self.config, record=record)

    def _save(self, step: int) -> None:
        """Write a state; every process gives its random numbers' state."""
        mine = {"cpu": torch.get_rng_state()}
        if self.accelerator.device.type == "cuda":
            mine["cuda"] = torch.cuda.get_rng_state(self.accelerator.device)
        random = gather_object([mine])
        if self.accelerator.is_main_process:
            scaler, average = self.accelerator.scaler, self.session.average
            adversary = self.session.adversary
            state = TrainerState(
                step=step,
                optimizer=self.session.optimizer.state_dict(),
                scaler=None if scaler is None else scaler.state_dict(),
                random=random,
                best=self.best,
                clipped=self.clipped,
                adversary=None if adversary is None else adversary.state_dict(),
            )
            save_state(
                self.folder,
                state,
                self.model,
                None if average is None else average.model,
                self.config,
                self.session.record,
                self.settings.keep_states,
            )
        self.accelerator.wait_for_everyone()

    def _restore(self, start: Path) -> int:
        """Go back to a saved state; the step it was saved after."""
        average = self.session.average
        state = load_state(start, self.model, None if average is None else average.model)
        self.session.optimizer.load_state_dict(state.optimizer)
        if self.session.adversary is not None and state.adversary is not None:
            self.session.adversary.load_state_dict(state.adversary, start)
        if self.accelerator.scaler is not None and state.scaler is not None:
            self.accelerator.scaler.load_state_dict(state.scaler)
        index = self.accelerator.process_index
        if index < len(state.random):
            torch.set_rng_state(state.random[index]["cpu"])
            if "cuda" in state.random[index] and self.accelerator.device.type == "cuda":
                torch.cuda.set_rng_state(state.random[index]["cuda"], self.accelerator.device)
        self.best, self.clipped = state.best, state.clipped
        return state.step
