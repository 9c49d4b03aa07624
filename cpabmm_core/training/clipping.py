"""Gradient clipping by the largest entry, separately for each network.

TPSMM and the paper's code clip the keypoint detector, the dense motion network and the background
predictor in this way, and never the generator (train.py in
https://github.com/yoyo-nb/Thin-Plate-Spline-Motion-Model). A norm over all networks would shrink
every gradient whenever one of them is large.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from cpabmm_core.models.animation_model import AnimationModel


class Clipping(NamedTuple):
    """The result of `clip_gradients`."""

    largest: Tensor
    """() largest absolute entry of all gradients before clipping; not finite if an entry is not."""
    clipped: bool
    """Whether a gradient was scaled down."""


def clip_gradients(model: AnimationModel, limit: float | None) -> Clipping:
    """Scale the gradient of each motion network so that no entry exceeds `limit`.

    Args:
        model: model whose gradients are changed in place, except the generator's.
        limit: bound of the absolute entries, or None to leave the gradients unchanged.
    """
    limit = math.inf if limit is None else limit
    networks = (model.keypoint_detector, model.dense_motion, model.background_predictor)
    motion = [_with_gradient(network) for network in networks if network is not None]
    motion = [trained for trained in motion if trained]
    largest = [_largest_entry(trained) for trained in motion]
    too_large = (torch.stack(largest) > limit).tolist()
    for trained, entry, clipped in zip(motion, largest, too_large, strict=True):
        if clipped:
            clip_grads_with_norm_(trained, limit, entry)
    generator = _largest_entry(_with_gradient(model.generator))
    return Clipping(torch.stack([*largest, generator]).amax(), any(too_large))


def _with_gradient(network: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in network.parameters() if parameter.grad is not None]


def _largest_entry(parameters: list[nn.Parameter]) -> Tensor:  # ()
    """Return the largest absolute entry of the gradients; not finite if an entry is not."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not all(gradient.device.type == "cpu" for gradient in gradients) or not gradients:
        return get_total_norm(gradients, math.inf)
    # PyTorch computes this norm number by number on a CPU, but the extremes with vectors.
    extremes = torch.stack([torch.stack(torch.aminmax(gradient)) for gradient in gradients])
    return extremes.abs().amax()
