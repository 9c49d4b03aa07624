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
from torch.nn.utils import clip_grad_norm_, get_total_norm

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
    largest = [clip_grad_norm_(trained, limit, math.inf) for trained in motion if trained]
    clipped = bool((torch.stack(largest) > limit).any())
    generator = [p.grad for p in _with_gradient(model.generator) if p.grad is not None]
    return Clipping(torch.stack([*largest, get_total_norm(generator, math.inf)]).amax(), clipped)


def _with_gradient(network: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in network.parameters() if parameter.grad is not None]
