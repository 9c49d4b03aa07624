"""How well a model reconstructs the test videos while it trains."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from accelerate import Accelerator

from cpabmm_core.data.batches import Batch
from cpabmm_core.models.animation_model import AnimationModel


class Validation(NamedTuple):
    """Mean absolute differences from the driving frames, values in [0, 1]."""

    l1: float
    """Of the generated frames."""
    standing_still: float
    """Of the source frames: what a model that moves nothing would have."""


@torch.inference_mode()
def validate(
    model: AnimationModel,
    batches: Iterable[Batch],
    accelerator: Accelerator,
) -> Validation:
    """Reconstruct the driving frames, each process its share.

    The model is left in the mode it was in.
    """
    training = model.training
    model.eval()
    sums = torch.zeros(3, device=accelerator.device)  # of both errors, and of frames
    for batch in batches:
        source, driving = batch.source, batch.driving
        kp_source, kp_driving = model.keypoints(torch.cat([source, driving])).chunk(2)
        background = model.background(source, driving)
        motion = model.motion(source, kp_source, kp_driving, background)
        generated = model.generate(source, motion)
        errors = [(frames - driving).abs().mean((1, 2, 3)).sum() for frames in (generated, source)]
        sums += torch.stack([*errors, sums.new_tensor(len(source))])
    model.train(training)
    generated_sum, still_sum, count = accelerator.reduce(sums, "sum").tolist()
    return Validation(generated_sum / count, still_sum / count)
