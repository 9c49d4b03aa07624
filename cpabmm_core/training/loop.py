"""The training loop of the main stage."""

from pathlib import Path
from statistics import fmean

import torch
from accelerate.utils import broadcast, gather_object

from cpabmm_core.checkpoint.format import save_checkpoint
from cpabmm_core.data.batches import Batch, TimedBatches, explain_lost_workers
from cpabmm_core.losses.objective import Outcome
from cpabmm_core.media.image import write_image
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.build import keypoint_groups
from cpabmm_core.training.optimizer import restore_adam
from cpabmm_core.training.panels import render_panel
from cpabmm_core.training.run import TrainingRun
from cpabmm_core.training.run_folder import RunFolder
from cpabmm_core.training.session import Session, open_session
from cpabmm_core.training.stage import Stage, open_run
from cpabmm_core.training.state import StateModels, TrainerState, load_state, resuming, save_state
from cpabmm_core.training.step import TrainingStep
from cpabmm_core.training.tracking import start_trackers
from cpabmm_core.training.validation import validate


def train(run: TrainingRun) -> Path:
    """Train a model and write logs, panels, states and checkpoints into the run's folder.

    The initial weights come from torch's global generator; seed it for a reproducible run.
    Everything else that is random is a function of ``training.seed`` and the step, so a resumed run
    continues exactly as the uninterrupted run would have. Under ``torchrun`` or ``accelerate
    launch`` every process calls this function, and the main process writes.

    Args:
        run: what to train, on which data, into which folder.

    Returns:
        The checkpoint of the trained model, ``model.safetensors`` in the run's folder.

    Raises:
        DataError: the data set is missing, empty or damaged.
        ConfigError: a setting cannot be satisfied.
        CheckpointError: there is no state to resume from, or weights cannot be read.
        MediaError: the folder contains a run and `resume` was not given, or another run is writing
            into it.
        TrainingError: a loss or a gradient is not finite.
        TrainingStopped: the run was asked to stop; its state is saved.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from cpabmm_core.config import load_config
        >>> from cpabmm_core.puppets import write_puppets
        >>> from cpabmm_core.training import TrainingRun, train
        >>> config = load_config("puppets-64", ["data.frame_size=32", "training.batch_size=2"])
        >>> with TemporaryDirectory() as folder:
        ...     data, out = Path(folder, "data"), Path(folder, "run")
        ...     _ = write_puppets(data, videos=2, test_videos=1, frames=4, size=32, seed=0)
        ...     train(TrainingRun(config, data, out, steps=1, device="cpu")).name
        'model.safetensors'
    """
    with open_run(run) as (folder, start):
        return Trainer(run, open_session(run, resumed=start is not None), folder).train(start)


class Trainer:
    """Runs the steps of the main stage and writes logs, panels, states and checkpoints.

    Args:
        run: the run.
        session: its parts.
        folder: its folder.
    """

    def __init__(self, run: TrainingRun, session: Session, folder: RunFolder) -> None:
        self.session, self.folder, self.reporter = session, folder, run.reporter
        self.config, self.settings = session.config, session.config.training
        self.accelerator, self.model = session.accelerator, session.model
        self.stage = Stage(run, folder, self.accelerator, self.settings.checkpoint_every)
        self.step = TrainingStep(session, folder, run.reporter)
        self.best: float | None = None
        """Lowest validation L1 so far."""
        self._steps = run.steps

    def train(self, start: Path | None) -> Path:
        """Train to the last step and write the model."""
        done = self.stage.begin(self.session.given, start, self._restore)
        if self.accelerator.is_main_process:
            self.folder.panels.mkdir(exist_ok=True)
        start_trackers(self.accelerator, self.config)
        total = self._steps or round(self.settings.epochs * self.session.steps_per_epoch)
        self.stage.total = total
        self.reporter.start(total, done)
        self.session.objective.train()
        batches = TimedBatches(self.session.batches(done, total))
        with explain_lost_workers():
            for step in range(done, total):
                batch, outcome = self.step.take(batches, step)
                self._report(batch, outcome, step + 1, batches)
                self._evaluate(step + 1)
                self.stage.save_or_stop(step + 1, self._save)
        self.reporter.finish()
        self.accelerator.end_training()
        if self.accelerator.is_main_process:
            self._write_model(self.folder.model, max(done, total))
        return self.folder.model

    def _report(self, batch: Batch, outcome: Outcome, step: int, batches: TimedBatches) -> None:
        if self.stage.is_due(step, self.settings.log_every) or step == 1:
            self._log(outcome, step, batches.share())
        if self.accelerator.is_main_process and self.stage.is_due(step, self.settings.panel_every):
            self._write_panel(batch, outcome, step)

    def _log(self, outcome: Outcome, step: int, data_share: float) -> None:
        """Log the losses, averaged over all processes."""
        values = torch.stack([value.detach().float() for value in outcome.losses.values()])
        means = self.accelerator.reduce(values, "mean").tolist()
        losses = dict(zip(outcome.losses, means, strict=True))
        clipped = fmean(self.step.take_clipped())
        if self.accelerator.is_main_process:
            rate = self.step.learning_rate
            line = {"step": step, **losses, "learning_rate": rate, "clipped": clipped}
            self.folder.append(self.folder.log, line)
        self.accelerator.log({**losses, "clipped": clipped, "data_share": data_share}, step=step)
        self.reporter.step(step, losses, data_share)

    def _write_panel(self, batch: Batch, outcome: Outcome, step: int) -> None:
        groups = keypoint_groups(self.config.model)
        path = self.folder.panels / f"step-{step:08d}.png"
        write_image(path, render_panel(batch.source, batch.driving, outcome.pair, groups))
        self.reporter.panel(path)

    def _evaluate(self, step: int) -> None:
        """Reconstruct the test clips, and write the model if it is the best so far."""
        if not self.stage.is_due(step, self.settings.validate_every):
            return
        batches = self.session.validation_batches()
        if batches is None:
            return
        for buffer in self._result().buffers():
            broadcast(buffer)  # on CPUs each process has its own running statistics
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
        """Return the model that the run produces: the averaged one if averaging is enabled."""
        return self.model if self.session.average is None else self.session.average.model

    def _write_model(self, path: Path, step: int, **values: float) -> None:
        record = {**self.session.record, "step": step, **values}
        save_checkpoint(path, self._result(), self.config, record=record)

    def _save(self, step: int) -> None:
        """Write a state, with the random number generators of all processes."""
        mine = {"cpu": torch.get_rng_state()}
        if self.accelerator.device.type == "cuda":
            mine["cuda"] = torch.cuda.get_rng_state(self.accelerator.device)
        random = gather_object([mine])
        if self.accelerator.is_main_process:
            session, scaler = self.session, self.accelerator.scaler
            average, adversary = session.average, session.adversary
            state = TrainerState(
                step=step,
                optimizer=session.optimizer.state_dict(),
                scaler=None if scaler is None else scaler.state_dict(),
                random=random,
                best=self.best,
                clipped=self.step.clipped,
                adversary=None if adversary is None else adversary.state_dict(),
            )
            ema = None if average is None else average.model
            models = StateModels(self.model, ema, self.config, session.record)
            save_state(self.folder, state, models, self.settings.keep_states)
        self.accelerator.wait_for_everyone()

    def _restore(self, start: Path) -> int:
        """Restore a saved state and return its number of steps."""
        average = self.session.average
        state = load_state(start, self.model, None if average is None else average.model)
        with resuming(start):
            restore_adam(self.session.optimizer, state.optimizer)
            if self.session.adversary is not None and state.adversary is not None:
                self.session.adversary.load_state_dict(state.adversary, start)
            if self.accelerator.scaler is not None and state.scaler is not None:
                self.accelerator.scaler.load_state_dict(state.scaler)
            self._restore_generators(state)
        self.best, self.step.clipped = state.best, state.clipped
        return state.step

    def _restore_generators(self, state: TrainerState) -> None:
        index = self.accelerator.process_index
        if index < len(state.random):
            torch.set_rng_state(state.random[index]["cpu"])
            if "cuda" in state.random[index] and self.accelerator.device.type == "cuda":
                torch.cuda.set_rng_state(state.random[index]["cuda"], self.accelerator.device)
