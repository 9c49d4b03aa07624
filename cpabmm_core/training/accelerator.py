"""Creation of the accelerator of a run: device, precision and trackers."""

from collections.abc import Callable
from typing import Literal

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, PartialState

from cpabmm_core.device import resolve_device
from cpabmm_core.errors import ConfigError
from cpabmm_core.files.checks import one_line
from cpabmm_core.precision import choose_precision, precision_warning
from cpabmm_core.training.run import TrainingRun
from cpabmm_core.training.tracking import chosen_trackers


def create_accelerator(run: TrainingRun) -> Accelerator:
    """Create the accelerator of the main stage.

    Raises:
        ConfigError: the device has an index, or does not support the precision, or a tracker is
            unavailable.
        ResourceError: the device does not exist.
    """
    if ":" in run.device:  # Accelerate assigns a device to each process
        raise ConfigError(
            f"device {run.device}: training accepts auto, cpu, cuda or mps; select GPUs with "
            "CUDA_VISIBLE_DEVICES"
        )
    training = run.config.training
    device = resolve_device(run.device)
    if device.type == "cuda":
        device = PartialState().device  # the one of this process, which a trial may compute on
    precision = _mixed_precision(training.mixed_precision, device, run.reporter.message)
    # Processes must not wait for the gradients of a network that is not used yet.
    unused = training.background_from_epoch > 0
    try:
        return Accelerator(
            cpu=device.type == "cpu",
            mixed_precision=precision,
            log_with=chosen_trackers(run.config) or None,
            project_dir=run.out,
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=unused)],
        )
    except ValueError as error:  # the device does not support the precision, for example
        raise ConfigError(
            f"training.mixed_precision={precision} on {run.device}: Accelerate refuses "
            f"({one_line(error)}); change one of them"
        ) from None


def _mixed_precision(
    requested: str, device: torch.device, announce: Callable[[str], None]
) -> Literal["no", "fp16", "bf16"]:
    """Return Accelerate's name of the precision; announce an automatic or unsuitable choice."""
    chosen = choose_precision("fp32" if requested == "no" else requested, device)
    if requested == "auto":
        announce(f"precision: {chosen} (auto, on {device.type})")
    warning = precision_warning(requested, device)
    if warning is not None:
        announce(f"training.mixed_precision={warning}")
    return "no" if chosen == "fp32" else chosen
