"""The parts of a training run: accelerator, data, model, losses and optimizer."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from timm.layers.norm_act import convert_sync_batchnorm

from cpabmm_core.config import Config
from cpabmm_core.data.batches import Batch, PairDataset, read_batches
from cpabmm_core.data.frames_dataset import FramesDataset
from cpabmm_core.data.pair_sampler import PairSampler
from cpabmm_core.data.split import split_data_set
from cpabmm_core.data.validation_pairs import ValidationPairs, open_validation
from cpabmm_core.losses.build import build_losses
from cpabmm_core.losses.objective import Objective
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.build import build_model
from cpabmm_core.training.accelerator import create_accelerator
from cpabmm_core.training.adversary import Adversary
from cpabmm_core.training.averaging import AveragedModel
from cpabmm_core.training.initial_weights import initialise_weights
from cpabmm_core.training.optimizer import create_adam
from cpabmm_core.training.run import TrainingRun


@dataclass(frozen=True)
class Session:
    """The parts of a run, on their device."""

    config: Config
    """The configuration of the model, without an avd network."""
    given: Config
    """The configuration as given, which may contain the sizes of the avd network."""
    accelerator: Accelerator
    dataset: FramesDataset
    validation: ValidationPairs | None
    """Pairs of the test set, if there is one."""
    sampler: PairSampler
    model: AnimationModel
    """The trained model itself, without wrappers."""
    objective: torch.nn.Module
    """Model and losses, as Accelerate prepared them."""
    optimizer: torch.optim.Optimizer
    average: AveragedModel | None
    adversary: Adversary | None
    record: dict[str, Any]
    """Facts about the run that are stored in its checkpoints."""

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps in which each identity is sampled ``data.repeats`` times."""
        return self.sampler.steps_per_epoch

    def batches(self, first: int, last: int) -> Iterator[Batch]:
        """Return this process's batches for the steps `first` to ``last - 1``, on the device."""
        self.sampler.steps = range(first, last)
        return self._read(self.dataset, self.sampler)

    def validation_batches(self) -> Iterator[Batch] | None:
        """Return this process's share of the test pairs, on the device."""
        if self.validation is None:
            return None
        share = self.validation.batches(
            self.config.training.batch_size,
            rank=self.accelerator.process_index,
            world=self.accelerator.num_processes,
        )
        return self._read(self.validation, share)

    def _read(self, dataset: PairDataset, batches: Iterable[list[Any]]) -> Iterator[Batch]:
        read = read_batches(
            dataset,
            batches,
            workers=self.config.training.workers,
            pin_memory=self.accelerator.device.type == "cuda",
        )
        return (batch.to(self.accelerator.device) for batch in read)


def open_session(run: TrainingRun, *, resumed: bool = False) -> Session:
    """Create the parts of a run. Nothing is written.

    Missing weights of frozen networks are reported before any data is read.

    Args:
        run: the run.
        resumed: whether the weights come from a saved state, so that `init_from` is ignored.

    Raises:
        ConfigError: a setting cannot be satisfied, or weights are missing.
        CheckpointError: weights cannot be read.
        DataError: the data set is missing, empty or damaged.
    """
    accelerator, announce = create_accelerator(run), run.reporter.message
    given, config = run.config, _without_avd(run.config)
    with accelerator.main_process_first():
        losses = build_losses(config.losses, allow_download=run.allow_download, announce=announce)
    dataset, validation = _open_data(run, announce)
    model = build_model(config)
    if run.init_from is not None and not resumed:
        initialise_weights(model, run.init_from, announce)
    _configure_networks(model, config, accelerator)
    adversary = Adversary(config, accelerator) if config.losses.adversarial else None
    losses.adversarial = None if adversary is None else adversary.losses
    training = config.training
    optimizer = create_adam(
        model.parameters(),
        device=accelerator.device,
        learning_rate=training.learning_rate,
        betas=training.betas,
        weight_decay=training.weight_decay,
    )
    objective, prepared = accelerator.prepare(Objective(model, losses), optimizer)
    return Session(
        config=config,
        given=given,
        accelerator=accelerator,
        dataset=dataset,
        validation=validation,
        sampler=_sampler(len(dataset), config, accelerator),
        model=model,
        objective=objective,
        optimizer=prepared,
        average=AveragedModel(model, training.ema) if training.ema else None,
        adversary=adversary,
        record=_record(run, accelerator, resumed=resumed),
    )


def _open_data(
    run: TrainingRun, report: Callable[[str], None]
) -> tuple[FramesDataset, ValidationPairs | None]:
    """Open the training set and the pairs of the test set."""
    data, training = run.config.data, run.config.training
    split = split_data_set(run.data, data.test_share, training.seed, report)
    dataset = FramesDataset(split.train.folder, data, report, paths=split.train.paths)
    validation = open_validation(
        split.test.folder,
        data,
        frames=training.validation_frames,
        report=report,
        paths=split.test.paths,
    )
    return dataset, validation


def _sampler(identities: int, config: Config, accelerator: Accelerator) -> PairSampler:
    return PairSampler(
        identities,
        config.data.repeats,
        config.training.batch_size,
        config.training.seed,
        accumulation=config.training.accumulation,
        rank=accelerator.process_index,
        world=accelerator.num_processes,
    )


def _record(run: TrainingRun, accelerator: Accelerator, *, resumed: bool) -> dict[str, Any]:
    record = {
        "reconstruction": run.config.losses.reconstruction_kind,
        "seed": run.config.training.seed,
        "device": str(accelerator.device),
        "precision": accelerator.mixed_precision,
        "processes": accelerator.num_processes,
    }
    if run.init_from is not None and not resumed:
        record["init_from"] = str(run.init_from)
    return record


def _without_avd(config: Config) -> Config:
    model = config.model.model_copy(update={"avd": None})
    return config.model_copy(update={"model": model})


def _configure_networks(model: AnimationModel, config: Config, accelerator: Accelerator) -> None:
    """Set up normalisation across processes, the memory layout and compilation, as configured."""
    training = config.training
    if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
        # torch's own conversion would drop the activations inside timm's normalisation layers.
        convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    if training.channels_last:
        model.to(memory_format=torch.channels_last)
    if training.compile:
        # Compile only the networks. The geometry between them has its own kernels.
        parts = (model.keypoint_detector, model.background_predictor, model.dense_motion.hourglass)
        generator = model.generator
        blocks = (*generator.down_blocks, *generator.residual_blocks, *generator.up_blocks)
        for part in (*parts, generator.stem, *blocks):
            if part is not None:
                part.compile()
