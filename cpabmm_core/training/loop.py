"""The training loop."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor
from torch.utils.data import DataLoader

from cpabmm_core.checkpoint.format import save_checkpoint
from cpabmm_core.config import Config, dump_config
from cpabmm_core.data.frames_dataset import FramesDataset, PairSampler
from cpabmm_core.device import resolve_device
from cpabmm_core.errors import MediaError, TrainingError
from cpabmm_core.losses.objective import Objective, Outcome, reconstruction_loss
from cpabmm_core.media.image import write_image
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.build import build_model
from cpabmm_core.training.panels import panel
from cpabmm_core.training.reporting import Silent, TrainingReporter
from cpabmm_core.training.schedule import candidate_dropout, learning_rate_factor
from cpabmm_core.training.state import MODEL_FILE, RunFolder, load_state, save_state

_DRAW_STREAM = 0x5EED  # keeps the random numbers of the steps apart from those of the data


def train(
    config: Config,
    data: Path,
    out: Path,
    *,
    resume: str | None = None,
    steps: int | None = None,
    device: str = "auto",
    reporter: TrainingReporter | None = None,
) -> Path:
    """Train a model on ``data/train`` and write log, panels, states and the model into ``out``.

    The first weights come from torch's global generator: seed it for a run that can be repeated.
    Everything else that is random is a function of ``training.seed`` and the step, so a resumed run
    goes on as the uninterrupted one would have.

    Args:
        config: what to train and how.
        data: folder with ``train``, one clip per file or folder in it.
        out: the run's folder, made if missing.
        resume: ``auto`` (the newest state in `out`, if any), the path of a state, or None.
        steps: steps in all, instead of ``training.epochs``.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        reporter: told of the progress.

    Returns:
        The checkpoint of the trained model, ``out/model.safetensors``.

    Raises:
        DataError: the data set is missing, empty or damaged.
        ConfigError: a setting that cannot be met.
        MediaError: `out` holds another run and `resume` was not given.
        TrainingError: a loss is not finite.
    """
    run, reporter = RunFolder(out), reporter or Silent()
    dataset = FramesDataset(data / "train", config.data)
    model, start = build_model(config), run.resume_from(resume)
    distance, kind = reconstruction_loss(config.losses)
    _claim(run, config, resume)
    if kind == "pixel" and config.losses.reconstruction_kind == "auto":
        reporter.message("no VGG-19 weights found: reconstruction compares pixels, not features")
    resolve_device(device)
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision=config.training.mixed_precision)
    trainer = _Trainer(
        config, run, accelerator, reporter, model, distance, {"reconstruction": kind}
    )
    return trainer.run(dataset, start, steps)


def _claim(run: RunFolder, config: Config, resume: str | None) -> None:
    if resume is None and run.log.exists():
        raise MediaError(f"{run.path}: holds a run; go on with --resume auto or give a new folder")
    try:
        run.panels.mkdir(parents=True, exist_ok=True)
        run.config.write_text(dump_config(config), encoding="utf-8")
    except OSError as error:
        raise MediaError(f"{run.path}: cannot write there ({error.strerror})") from None


class _Trainer:
    def __init__(
        self,
        config: Config,
        run: RunFolder,
        accelerator: Accelerator,
        reporter: TrainingReporter,
        model: AnimationModel,
        distance: torch.nn.Module,
        record: dict[str, Any],
    ) -> None:
        self.config, self.settings = config, config.training
        self.run_folder, self.accelerator, self.reporter = run, accelerator, reporter
        self.model = model
        self.record = {**record, "seed": self.settings.seed, "device": str(accelerator.device)}
        objective = Objective(model, distance, config.losses)
        optimizer = torch.optim.Adam(
            model.parameters(),
            lr=self.settings.learning_rate,
            betas=self.settings.betas,
            weight_decay=self.settings.weight_decay,
        )
        self.objective, self.optimizer = accelerator.prepare(objective, optimizer)

    def run(self, dataset: FramesDataset, start: Path | None, steps: int | None) -> Path:
        """Train to the end and write the model."""
        settings = self.settings
        done = 0 if start is None else load_state(start, self.model, self.optimizer)
        self.run_folder.forget_after(done)
        sampler = PairSampler(
            len(dataset), self.config.data.repeats, settings.batch_size, settings.seed
        )
        total = steps or settings.epochs * sampler.steps_per_epoch
        sampler.steps = range(done, total)
        self.reporter.start(total, done)
        self.objective.train()
        for step, batch in enumerate(self._batches(dataset, sampler), start=done):
            outcome = self._step(batch, step, step / sampler.steps_per_epoch)
            self._record(batch, outcome, step + 1, total)
        self.reporter.finish()
        final = self.run_folder.path / MODEL_FILE
        save_checkpoint(final, self.model, self.config, record={**self.record, "step": total})
        return final

    def _batches(self, dataset: FramesDataset, sampler: PairSampler) -> Iterator[dict[str, Tensor]]:
        loader: DataLoader[dict[str, Tensor]] = DataLoader(
            dataset, batch_sampler=sampler, num_workers=self.settings.workers
        )
        device = self.accelerator.device
        for batch in loader:
            yield {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}

    def _step(self, batch: dict[str, Tensor], step: int, epoch: float) -> Outcome:
        settings = self.settings
        factor = learning_rate_factor(settings.milestones, settings.milestone_factor, epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate * factor
        generator = torch.Generator().manual_seed(_draw_seed(settings.seed, step))
        with self.accelerator.autocast():
            outcome: Outcome = self.objective(
                batch["source"],
                batch["driving"],
                dropout=candidate_dropout(settings.candidate_dropout, epoch),
                with_background=epoch >= settings.background_from_epoch,
                generator=generator,
            )
        loss = outcome.losses["loss"]
        if not bool(loss.isfinite()):
            last = self.run_folder.resume_from("auto")
            raise TrainingError(
                f"the loss of step {step + 1} is {loss.item()}; lower training.learning_rate and "
                f"resume from {last or 'the start'}"
            )
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.model.parameters(), settings.gradient_clip)
        self.optimizer.step()
        return outcome

    def _record(self, batch: dict[str, Tensor], outcome: Outcome, step: int, total: int) -> None:
        settings = self.settings
        if step % settings.log_every == 0 or step in (1, total):
            losses = {name: float(value.detach()) for name, value in outcome.losses.items()}
            rate = self.optimizer.param_groups[0]["lr"]
            with self.run_folder.log.open("a", encoding="utf-8") as log:
                log.write(json.dumps({"step": step, **losses, "learning_rate": rate}) + "\n")
            self.reporter.step(step, losses)
        if step % settings.panel_every == 0 or step == total:
            picture = panel(
                batch["source"], batch["driving"], outcome, self.config.model.keypoints.groups
            )
            path = self.run_folder.panels / f"step-{step:08d}.png"
            write_image(path, picture)
            self.reporter.panel(path)
        if step % settings.checkpoint_every == 0 or step == total:
            save_state(self.run_folder, step, self.model, self.optimizer, self.config, self.record)


def _draw_seed(seed: int, step: int) -> int:
    """Seed of the random numbers of one step."""
    return int(
        np.random.SeedSequence((_DRAW_STREAM, seed, step)).generate_state(1, np.uint64)[0] >> 1
    )
