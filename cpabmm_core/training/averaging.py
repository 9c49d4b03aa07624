"""Exponential moving average of a model's weights (Polyak averaging)."""

import copy

import torch
from torch import Tensor, nn

from cpabmm_core.models.animation_model import AnimationModel


class AveragedModel:
    """A second model that follows the trained one: average = decay * average + (1 - decay) * new.

    Early in training the decay is limited to (1 + step) / (10 + step), so that the random initial
    weights are soon forgotten. Buffers (running statistics) are copied.

    Args:
        model: the trained model, without wrappers.
        decay: decay in [0, 1). The memory spans about 1 / (1 - decay) steps.
    """

    def __init__(self, model: AnimationModel, decay: float) -> None:
        self.decay = decay
        self.model = copy.deepcopy(model).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Add the weights after `step` steps to the average."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averages: list[Tensor] = list(self.model.parameters())
        weights: list[Tensor] = list(model.parameters())
        torch._foreach_lerp_(averages, weights, 1 - decay)
        torch._foreach_copy_(list(self.model.buffers()), list(model.buffers()))
