"""Training of the avd network for a trained model.

Following Siarohin et al., Motion Representations for Articulated Animation (CVPR 2021), the network
predicts the keypoints of the second of two frames of a clip. Its inputs are the keypoints of the
first frame, which contain the object's shape, and those of the second frame, stretched at random
along x and y so that they contain the pose but not the shape. The rest of the model does not
change, so keypoints are detected only once.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from cpabmm_core.checkpoint.convert import open_checkpoint
from cpabmm_core.checkpoint.format import save_checkpoint
from cpabmm_core.checkpoint.load import find_checkpoint
from cpabmm_core.config import AvdConfig
from cpabmm_core.data.clip_set import NamedClip, open_clips
from cpabmm_core.data.identities import group_clips
from cpabmm_core.data.split import split_data_set
from cpabmm_core.device import is_cpu
from cpabmm_core.errors import CheckpointError, ConfigError, TrainingStopped
from cpabmm_core.inference.inference_model import InferenceModel
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.build import build_avd
from cpabmm_core.training.avd_step import optimise, steps_per_epoch
from cpabmm_core.training.keypoint_tracks import KeypointTracks, detect_tracks
from cpabmm_core.training.optimizer import create_adam, restore_adam
from cpabmm_core.training.run import TrainingRun
from cpabmm_core.training.run_folder import RunFolder
from cpabmm_core.training.stage import FinitenessGuard, Stage, open_run
from cpabmm_core.training.state import StateModels, TrainerState, load_state, resuming, save_state

_BETAS = (0.5, 0.999)


def train_avd(run: TrainingRun) -> Path:
    """Train an avd network for the model `run.init_from`; write logs, states and a checkpoint.

    The initial weights come from torch's global generator, as for `train`. Everything else that is
    random is a function of ``training.seed`` and the step. Several processes all perform the same
    training, and the main process writes the files.

    Args:
        run: what to train. `init_from` is the trained model; its avd network, if any, is replaced.
            Only ``avd``, ``data``, ``model.avd``, ``training.seed`` and ``training.keep_states`` of
            the configuration are used; the rest comes from the model.

    Returns:
        The checkpoint of the model with its avd network, ``model.safetensors`` in the run's folder.

    Raises:
        ConfigError: `init_from` is missing.
        CheckpointError: the model cannot be read, or the state belongs to a run for another model.
        DataError: the data set is missing, empty or damaged.
        MediaError: the folder contains a run and `resume` was not given, or another run is writing
            into it.
        TrainingError: the loss is not finite.
        TrainingStopped: the run was asked to stop; its state is saved.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from cpabmm_core.config import load_config
        >>> from cpabmm_core.puppets import write_puppets
        >>> from cpabmm_core.training import TrainingRun, train_avd
        >>> with TemporaryDirectory() as folder:
        ...     data, out = Path(folder, "data"), Path(folder, "run")
        ...     _ = write_puppets(data, videos=1, test_videos=1, frames=2, size=32, seed=0)
        ...     config = load_config("puppets-128")
        ...     run = TrainingRun(config, data, out, init_from="puppets", steps=1, device="cpu")
        ...     train_avd(run).name
        'model.safetensors'
    """
    if run.init_from is None:
        raise ConfigError("init_from: missing; pass the model for which to train an avd network")
    with open_run(run) as (folder, start):
        trainer = _AvdTrainer(run, folder, run.init_from)
        clips = _open_clips(run)
        done = trainer.begin(start)
        return trainer.train(_detect(run, trainer.model, clips), done)


def _open_clips(run: TrainingRun) -> list[NamedClip]:
    """Open the training clips."""
    data, report = run.config.data, run.reporter.message
    subset = split_data_set(run.data, data.test_share, run.config.training.seed, report).train
    return open_clips(subset.folder, data.on_error, report, paths=subset.paths)


def _detect(run: TrainingRun, model: AnimationModel, clips: list[NamedClip]) -> KeypointTracks:
    """Detect the keypoints of all clips."""
    data, report = run.config.data, run.reporter.message
    report(f"detecting the keypoints of {len(clips)} clips")
    paths, tracks = [], []
    for clip, track in detect_tracks(InferenceModel(model), clips, data, report):
        paths.append(clip.path)
        tracks.append(track)
        signal = run.stop()
        if signal:
            raise TrainingStopped(
                "stopped while detecting keypoints", "start the run again", signal=signal
            )
    members = group_clips(paths, by_identity=data.identity_sampling)
    return KeypointTracks(tracks, data.augment, members)


class _AvdTrainer:
    def __init__(self, run: TrainingRun, folder: RunFolder, checkpoint: str | Path) -> None:
        self.settings, self.training = run.config.avd, run.config.training
        self.folder, self.reporter, self._steps = folder, run.reporter, run.steps
        self.accelerator = Accelerator(cpu=is_cpu(run.device), mixed_precision="no")
        self.stage = Stage(run, folder, self.accelerator, self.settings.checkpoint_every)
        self.guard = FinitenessGuard(self.accelerator, folder, "avd.learning_rate")
        self.checkpoint = checkpoint
        base = open_checkpoint(find_checkpoint(checkpoint))
        sizes = run.config.model.avd or AvdConfig()
        model = base.config.model.model_copy(update={"avd": sizes})
        self.config = base.config.model_copy(update={"model": model, "avd": self.settings})
        self.model = base.model.requires_grad_(False).to(self.accelerator.device)
        self.network = build_avd(self.config.model, sizes).to(self.accelerator.device)
        self.model.avd = self.network
        self.optimizer = create_adam(
            self.network.parameters(),
            device=self.accelerator.device,
            learning_rate=self.settings.learning_rate,
            betas=_BETAS,
        )
        self.record: dict[str, Any] = {
            "stage": "avd",
            "model": base.record,
            "seed": self.training.seed,
            "device": str(self.accelerator.device),
        }
        self._loss = torch.zeros(())

    def begin(self, start: Path | None) -> int:
        """Claim the folder, restore a saved state and return the number of completed steps."""
        return self.stage.begin(self.config, start, self._restore)

    def train(self, tracks: KeypointTracks, done: int) -> Path:
        """Train to the last step and write the model."""
        settings = self.settings
        total = self._steps or max(1, round(settings.epochs * steps_per_epoch(tracks, settings)))
        self.stage.total = total
        self.record |= {"clips": tracks.clips, "frames": tracks.frames}
        self.reporter.start(total, done)
        steps = optimise(
            self.network, self.optimizer, tracks, settings, self.training.seed, range(done, total)
        )
        for step, losses in enumerate(steps, start=done + 1):
            self._loss = losses["loss"]
            if self.stage.is_due(step, settings.log_every) or step == 1:
                self._log(losses, step)
            self.stage.save_or_stop(step, self._save)
        self.reporter.finish()
        self.accelerator.end_training()
        if self.accelerator.is_main_process:
            record = {**self.record, "step": total}
            save_checkpoint(self.folder.model, self.model, self.config, record=record)
        return self.folder.model

    def _rest_of_the_model(self) -> Iterator[tuple[str, Tensor]]:
        own = {f"avd.{name}" for name in self.network.state_dict()}
        return (each for each in self.model.state_dict().items() if each[0] not in own)

    def _restore(self, start: Path) -> int:
        """Restore a saved state and return its number of steps."""
        before = {name: tensor.clone() for name, tensor in self._rest_of_the_model()}
        state = load_state(start, self.model, None)
        if not all(torch.equal(tensor, before[name]) for name, tensor in self._rest_of_the_model()):
            raise CheckpointError(
                f"{start}: belongs to a run for another model than {self.checkpoint}; resume with "
                "that model, or choose a new folder"
            )
        with resuming(start):
            restore_adam(self.optimizer, state.optimizer)
        return state.step

    def _check(self, step: int) -> None:
        """Check that the last loss is finite.

        Non-finite weights stay non-finite, so this need not happen in every step.
        """
        self.guard.check("loss", self._loss, [], step)

    def _log(self, losses: dict[str, Tensor], step: int) -> None:
        self._check(step)
        values = {name: float(value) for name, value in losses.items()}
        self.reporter.step(step, values, 0.0)
        if self.accelerator.is_main_process:
            line = {"step": step, **values, "learning_rate": self.optimizer.param_groups[0]["lr"]}
            self.folder.append(self.folder.log, line)

    def _save(self, step: int) -> None:
        """Write a state. The network uses no random numbers, so no generator state is needed."""
        self._check(step)
        if self.accelerator.is_main_process:
            state = TrainerState(
                step=step, optimizer=self.optimizer.state_dict(), scaler=None, random=[], best=None
            )
            models = StateModels(self.model, None, self.config, self.record)
            save_state(self.folder, state, models, self.training.keep_states)
        self.accelerator.wait_for_everyone()
