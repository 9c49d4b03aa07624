"""What a training run is made of: accelerator, data, model, losses and optimizer."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from timm.layers.norm_act import convert_sync_batchnorm

from cpabmm_core.config import Config
from cpabmm_core.data.batches import Batch, PairDataset, read_batches
from cpabmm_core.data.frames_dataset import FramesDataset, PairSampler
from cpabmm_core.data.sides import sides_of
from cpabmm_core.data.validation_pairs import ValidationPairs, open_validation
from cpabmm_core.device import resolve_device
from cpabmm_core.errors import ConfigError
from cpabmm_core.losses.build import build_losses
from cpabmm_core.losses.objective import Objective
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.build import build_model
from cpabmm_core.precision import choose_precision, precision_warning
from cpabmm_core.training.adversary import Adversary
from cpabmm_core.training.averaging import AveragedModel
from cpabmm_core.training.initial_weights import take_weights
from cpabmm_core.training.reporting import TrainingReporter
from cpabmm_core.training.tracking import chosen_trackers


@dataclass(frozen=True)
class Session:
    """The parts of a run, ready on their device."""

    config: Config
    """What the model is built from: an avd network comes with a stage of its own, later."""
    given: Config
    """The same with the sizes of the avd network to come, if they were given."""
    accelerator: Accelerator
    dataset: FramesDataset
    validation: ValidationPairs | None
    sampler: PairSampler
    model: AnimationModel
    """The trained model itself, whatever wraps it for training."""
    objective: torch.nn.Module
    """Model and losses, as Accelerate prepared them."""
    optimizer: torch.optim.Optimizer
    average: AveragedModel | None
    adversary: Adversary | None
    record: dict[str, Any]
    """What checkpoints tell of the run."""

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every identity is drawn as often as ``data.repeats`` says."""
        return self.sampler.steps_per_epoch

    def batches(self, first: int, last: int) -> Iterator[Batch]:
        """This process's batches of the steps first .. last - 1, on the device."""
        self.sampler.steps = range(first, last)
        return self._read(self.dataset, self.sampler)

    def validation_batches(self) -> Iterator[Batch] | None:
        """This process's share of the test pairs, on the device."""
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


def open_session(
    config: Config,
    data: Path,
    out: Path,
    *,
    device: str,
    init_from: str | Path | None,
    allow_download: bool,
    reporter: TrainingReporter,
) -> Session:
    """Find all that a run needs and put it together; nothing is written.

    The weights of frozen networks are looked for before any data is read.

    Raises:
        ConfigError: a setting that cannot be met, or weights that are not at hand.
        CheckpointError: weights that cannot be read.
        DataError: the data set is missing, empty or damaged.
    """
    accelerator = _accelerator(config, out, device, reporter.message)
    with accelerator.main_process_first():
        losses = build_losses(
            config.losses, allow_download=allow_download, announce=reporter.message
        )
    dataset, validation = _open_data(config, data, reporter.message)
    given, config = config, _without_avd(config)
    model = build_model(config)
    if init_from is not None:
        take_weights(model, init_from, reporter.message)
    _lay_out(model, config, accelerator)
    adversary = Adversary(config, accelerator) if config.losses.adversarial else None
    losses.judge = None if adversary is None else adversary.judge
    training = config.training
    optimizer = torch.optim.Adam(
        model.parameters(),
        lr=training.learning_rate,
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
        record=_record(config, accelerator, init_from),
    )


def _open_data(
    config: Config, data: Path, report: Callable[[str], None]
) -> tuple[FramesDataset, ValidationPairs | None]:
    """What is trained on, and what it is judged by."""
    sides = sides_of(data, config.data.test_share, config.training.seed, report)
    dataset = FramesDataset(sides.train.folder, config.data, report, paths=sides.train.paths)
    validation = open_validation(
        sides.test.folder,
        config.data,
        frames=config.training.validation_frames,
        report=report,
        paths=sides.test.paths,
    )
    return dataset, validation


def _sampler(drawn_from: int, config: Config, accelerator: Accelerator) -> PairSampler:
    return PairSampler(
        drawn_from,
        config.data.repeats,
        config.training.batch_size,
        config.training.seed,
        accumulation=config.training.accumulation,
        rank=accelerator.process_index,
        world=accelerator.num_processes,
    )


def _record(
    config: Config, accelerator: Accelerator, init_from: str | Path | None
) -> dict[str, Any]:
    return {
        "reconstruction": config.losses.reconstruction_kind,
        "seed": config.training.seed,
        "device": str(accelerator.device),
        "precision": accelerator.mixed_precision,
        "processes": accelerator.num_processes,
        **({} if init_from is None else {"init_from": str(init_from)}),
    }


def _without_avd(config: Config) -> Config:
    model = config.model.model_copy(update={"avd": None})
    return config.model_copy(update={"model": model})


def _accelerator(
    config: Config, out: Path, device: str, announce: Callable[[str], None]
) -> Accelerator:
    if ":" in device:  # Accelerate gives each process its own
        raise ConfigError(
            f"{device}: training takes auto, cpu, cuda or mps; choose among GPUs by "
            "CUDA_VISIBLE_DEVICES"
        )
    training = config.training
    precision = _mixed_precision(training.mixed_precision, resolve_device(device), announce)
    # A part that a step leaves out must not keep the processes waiting for its gradient.
    unused = training.background_from_epoch > 0
    try:
        return Accelerator(
            cpu=device == "cpu",
            mixed_precision=precision,
            log_with=chosen_trackers(config) or None,
            project_dir=out,
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=unused)],
        )
    except ValueError as error:  # a precision that the device has not, for instance
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"training.mixed_precision={precision} on {device}: Accelerate refuses "
            f"({reason}); change one of them"
        ) from None


def _mixed_precision(
    wanted: str, device: torch.device, announce: Callable[[str], None]
) -> Literal["no", "fp16", "bf16"]:
    """The precision in Accelerate's words, told where it was chosen here or is a bad choice."""
    chosen = choose_precision("fp32" if wanted == "no" else wanted, device)
    if wanted == "auto":
        announce(f"precision: {chosen}, chosen for this {device.type}")
    warning = precision_warning(wanted, device)
    if warning is not None:
        announce(f"training.mixed_precision={warning}")
    return "no" if chosen == "fp32" else chosen


def _lay_out(model: AnimationModel, config: Config, accelerator: Accelerator) -> None:
    """Memory layout, normalisation across processes and compilation, as configured."""
    training = config.training
    if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
        # torch's own would drop the activations that are part of timm's normalisation layers.
        convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    if training.channels_last:
        model.to(memory_format=torch.channels_last)
    if training.compile:
        # The geometry between the networks has kernels of its own.
        parts = (model.keypoint_detector, model.background_predictor, model.dense_motion.hourglass)
        paint = model.inpainting
        blocks = (*paint.down_blocks, *paint.residual_blocks, *paint.up_blocks)
        for part in (*parts, paint.stem, *blocks):
            if part is not None:
                part.compile()
