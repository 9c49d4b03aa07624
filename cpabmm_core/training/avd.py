"""Training of the avd network, after and apart from the rest of the model.

Siarohin et al., Motion Representations for Articulated Animation (CVPR 2021): of two frames of one
clip, the network has to tell the keypoints of the second. It gets those of the first, which show
the object's shape, and those of the second stretched at random along x and y, which show its pose
but no longer its shape. The rest of the model stays as it is, so keypoints are detected once.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor

from cpabmm_core.checkpoint.convert import open_checkpoint
from cpabmm_core.checkpoint.format import Checkpoint, save_checkpoint
from cpabmm_core.checkpoint.load import find_checkpoint
from cpabmm_core.config import AvdConfig, AvdTrainingConfig, Config
from cpabmm_core.data.clip_set import open_clips
from cpabmm_core.data.identities import group_clips
from cpabmm_core.data.split import split_data_set
from cpabmm_core.device import resolve_device
from cpabmm_core.errors import CheckpointError, Remedy, TrainingError, TrainingStopped
from cpabmm_core.geometry.local_affine import have_jacobians, jacobians, positions, stretch
from cpabmm_core.inference.inference_model import InferenceModel
from cpabmm_core.models.avd import AvdNetwork
from cpabmm_core.models.build import build_avd
from cpabmm_core.training.keypoint_tracks import KeypointTracks, detect_tracks
from cpabmm_core.training.reporting import Silent, TrainingReporter
from cpabmm_core.training.run_lock import sole_run
from cpabmm_core.training.schedule import learning_rate_factor
from cpabmm_core.training.state import (
    MODEL_FILE,
    RunFolder,
    TrainerState,
    load_state,
    save_state,
)

_STREAM = 0xA7D  # keeps these random numbers apart from others of the same seed
_BETAS = (0.5, 0.999)


def train_avd(
    config: Config,
    checkpoint: str | Path,
    data: Path,
    out: Path,
    *,
    resume: str | None = None,
    steps: int | None = None,
    device: str = "auto",
    stop: Callable[[], int | None] = lambda: None,
    reporter: TrainingReporter | None = None,
) -> Path:
    """Train an avd network for a model and write log, states and the model with it into ``out``.

    The first weights come from torch's global generator, as for `train`; what else is random is a
    function of ``training.seed`` and the step. Under ``accelerate launch`` and the like every
    process does the same; one of them writes.

    Args:
        config: its sections ``avd`` and ``data``, ``model.avd`` and ``training.seed`` count; what
            else there is to know comes from the checkpoint.
        checkpoint: a trained model, by name or path; an avd network that it has is replaced.
        data: folder with ``train``, one clip per file or folder in it, or with clips themselves.
        out: the run's folder, made if missing.
        resume: ``auto`` (the newest whole state in `out`, if any), the path of a state, or None.
        steps: steps in all, instead of ``avd.epochs``.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        stop: asked after every clip and step whether to stop; the number of the signal if so.
        reporter: told of the progress.

    Returns:
        The checkpoint of the model with its avd network, ``out/model.safetensors``.

    Raises:
        CheckpointError: `checkpoint` cannot be read, or the state is of a run from another one.
        DataError: the data set is missing, empty or damaged.
        MediaError: `out` holds another run and `resume` was not given, or a run is writing there.
        TrainingError: the loss is not finite.
        TrainingStopped: `stop` asked for it.
    """
    run, reporter = RunFolder(out), reporter or Silent()
    with sole_run(out, device, reporter):
        start, notes = run.resume_from(resume)
        for note in notes:
            reporter.message(note)
        resolve_device(device)
        accelerator = Accelerator(cpu=device == "cpu")
        base = open_checkpoint(find_checkpoint(checkpoint))
        side = split_data_set(
            data, config.data.test_share, config.training.seed, reporter.message
        ).train
        clips = open_clips(side.folder, config.data.on_error, reporter.message, paths=side.paths)
        trainer = _Trainer(config, base, run, accelerator, reporter)
        done = trainer.begin(start, str(checkpoint))
        reporter.message(f"detecting the keypoints of {len(clips)} clips, once for the whole run")
        paths, found = [], []
        inference_model = InferenceModel(trainer.model)
        for clip, track in detect_tracks(inference_model, clips, config.data, reporter.message):
            paths.append(clip.path)
            found.append(track)
            signal = stop()
            if signal:
                raise TrainingStopped(
                    "stopped while it detected keypoints", "start it again", signal=signal
                )
        draw_from = group_clips(paths, by_identity=config.data.identity_sampling)
        tracks = KeypointTracks(found, config.data.augment, draw_from)
        return trainer.run(tracks, done, steps, stop)


def optimise(
    network: AvdNetwork,
    optimizer: torch.optim.Optimizer,
    tracks: KeypointTracks,
    settings: AvdTrainingConfig,
    seed: int,
    steps: Iterable[int],
) -> Iterator[dict[str, Tensor]]:
    """Make the steps of these numbers, which with `seed` decide all that is random.

    Returns:
        For each step ``loss``, its parts (see `_loss`), and ``unchanged``, the loss if the network
        returned the pose that it got.
    """
    network.train()
    for step in steps:
        epoch = step / steps_per_epoch(tracks, settings)
        factor = learning_rate_factor(settings.milestones, settings.milestone_factor, epoch)
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * factor
        rng = np.random.default_rng((_STREAM, seed, step))
        identity, driving = tracks.pairs(settings.batch_size, rng)
        pose = stretch(driving, _random_scale(settings, rng).to(driving.device))
        losses = _loss(network(identity, pose), driving)
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        found = {name: value.detach() for name, value in losses.items()}
        yield {**found, "unchanged": _loss(pose, driving)["loss"]}


def _loss(
    found: Tensor,  # (B, N, 2 or 6): see geometry.local_affine
    wanted: Tensor,  # (B, N, 2 or 6)
) -> dict[str, Tensor]:
    """The mean absolute difference of positions, in [-1, 1], and that of frames, one to one (MRAA).

    The parts come under the names ``positions`` and ``frames``, where there are frames.
    """
    shift = F.l1_loss(positions(found), positions(wanted))
    if not have_jacobians(wanted):
        return {"loss": shift}
    affine = F.l1_loss(jacobians(found), jacobians(wanted))
    return {"positions": shift, "frames": affine, "loss": shift + affine}


def steps_per_epoch(tracks: KeypointTracks, settings: AvdTrainingConfig) -> float:
    """Steps in which every identity is drawn ``avd.repeats`` times, on average."""
    return len(tracks) * settings.repeats / settings.batch_size


def _random_scale(settings: AvdTrainingConfig, rng: np.random.Generator) -> Tensor:  # (B, 1, 2)
    most = settings.random_scale
    return torch.from_numpy(rng.uniform(1 - most, 1 + most, (settings.batch_size, 1, 2))).float()


class _Trainer:
    def __init__(
        self,
        config: Config,
        base: Checkpoint,
        run: RunFolder,
        accelerator: Accelerator,
        reporter: TrainingReporter,
    ) -> None:
        self.settings, self.seed = config.avd, config.training.seed
        self.keep_states = config.training.keep_states
        self.folder, self.accelerator, self.reporter = run, accelerator, reporter
        sizes = config.model.avd or AvdConfig()
        self.config = base.config.model_copy(
            update={
                "model": base.config.model.model_copy(update={"avd": sizes}),
                "avd": config.avd,
            }
        )
        self.model = base.model.requires_grad_(False).to(accelerator.device)
        self.network = build_avd(self.config.model, sizes).to(accelerator.device)
        self.model.avd = self.network
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=self.settings.learning_rate, betas=_BETAS
        )
        self.record: dict[str, Any] = {
            "stage": "avd",
            "model": base.record,
            "seed": self.seed,
            "device": str(accelerator.device),
        }

    def begin(self, start: Path | None, checkpoint: str) -> int:
        """Claim the folder and go back to a saved state; the step it was saved after."""
        if self.accelerator.is_main_process:
            self.folder.claim(self.config)
        if start is None:
            if self.accelerator.is_main_process:
                self.folder.forget_after(0)
            return 0
        before = {name: tensor.clone() for name, tensor in self._rest_of_the_model()}
        state = load_state(start, self.model, None)
        if not all(torch.equal(tensor, before[name]) for name, tensor in self._rest_of_the_model()):
            raise CheckpointError(
                f"{start}: of a run from another model than {checkpoint}; go on with that one, or "
                "give a new folder"
            )
        self.optimizer.load_state_dict(state.optimizer)
        if self.accelerator.is_main_process:
            self.folder.forget_after(state.step)
        return state.step

    def run(
        self,
        tracks: KeypointTracks,
        done: int,
        steps: int | None,
        stop: Callable[[], int | None],
    ) -> Path:
        """Train to the end and write the model."""
        settings = self.settings
        total = steps or max(1, round(settings.epochs * steps_per_epoch(tracks, settings)))
        self.record |= {"clips": tracks.clips, "frames": tracks.frames}
        self.reporter.start(total, done)
        losses = optimise(
            self.network, self.optimizer, tracks, settings, self.seed, range(done, total)
        )
        for step, found in enumerate(losses, start=done + 1):
            signal = stop()
            save = bool(signal) or step % settings.checkpoint_every == 0 or step == total
            if save or step % settings.log_every == 0 or step == 1:
                self._check(found["loss"], step)
            if step % settings.log_every == 0 or step in (1, total):
                self._show(found, step)
            if save and self.accelerator.is_main_process:
                self._save(step)
            if signal and step < total:
                raise TrainingStopped(
                    f"stopped after step {step} of {total}",
                    'resume with resume="auto"',
                    signal=signal,
                    remedy=Remedy.RESUME,
                )
        self.reporter.finish()
        final = self.folder.path / MODEL_FILE
        if self.accelerator.is_main_process:
            record = {**self.record, "step": total}
            save_checkpoint(final, self.model, self.config, record=record)
        return final

    def _rest_of_the_model(self) -> Iterator[tuple[str, Tensor]]:
        own = {f"avd.{name}" for name in self.network.state_dict()}
        return (each for each in self.model.state_dict().items() if each[0] not in own)

    def _check(self, loss: Tensor, step: int) -> None:
        """A weight that is not finite stays so: it is enough to look now and then."""
        if not bool(loss.isfinite()):
            last, _ = self.folder.newest_state()
            raise TrainingError(
                f"the loss of step {step} is {loss.item()}; lower avd.learning_rate and resume "
                f"from {last or 'the start'}"
            )

    def _show(self, losses: dict[str, Tensor], step: int) -> None:
        values = {name: float(value) for name, value in losses.items()}
        self.reporter.step(step, values, 0.0)
        if self.accelerator.is_main_process:
            line = {"step": step, **values, "learning_rate": self.optimizer.param_groups[0]["lr"]}
            self.folder.append(self.folder.log, line)

    def _save(self, step: int) -> None:
        """Write a state; the network draws nothing, so no generator's state belongs to it."""
        state = TrainerState(
            step=step, optimizer=self.optimizer.state_dict(), scaler=None, random=[], best=None
        )
        save_state(self.folder, state, self.model, None, self.config, self.record, self.keep_states)
