"""Validation: reconstruction of the test clips during training."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from accelerate import Accelerator

from cpabmm_core.data.batches import Batch
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.pair_reconstruction import reconstruct_pair


class Validation(NamedTuple):
    """Mean absolute differences from the driving frames, in [0, 1]."""

    l1: float
    """L1 of the generated frames."""
    standing_still: float
    """L1 of the static baseline, the source frames."""


@torch.inference_mode()
def validate(
    model: AnimationModel,
    batches: Iterable[Batch],
    accelerator: Accelerator,
) -> Validation:
    """Reconstruct the driving frames of the test set and compare them with the real ones.

    Each process passes its share of the batches; all return the same result. The model is
    evaluated in evaluation mode, and its own mode is restored at the end.
    """
    training = model.training
    model.eval()
    sums = torch.zeros(3, device=accelerator.device)  # two sums of errors, number of frames
    for batch in batches:
        source, driving = batch.source, batch.driving
        generated = reconstruct_pair(model, source, driving).generated
        errors = [(frames - driving).abs().mean((1, 2, 3)).sum() for frames in (generated, source)]
        sums += torch.stack([*errors, sums.new_tensor(len(source))])
    model.train(training)
    generated_sum, static_sum, count = accelerator.reduce(sums, "sum").tolist()
    return Validation(generated_sum / count, static_sum / count)
