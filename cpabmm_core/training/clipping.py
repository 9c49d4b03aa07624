"""Gradient clipping by the largest entry, of each network on its own.

TPSMM and the paper's code clip the keypoint detector, the dense motion network and the background
predictor this way, and never the generator (https://github.com/yoyo-nb/Thin-Plate-Spline-Motion-Model,
train.py). A norm over all networks would shrink every gradient whenever one of them is large.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, get_total_norm

from cpabmm_core.models.animation_model import AnimationModel


class Clipping(NamedTuple):
    """What `clip_gradients` found."""

    largest: Tensor
    """() largest absolute entry of all gradients before clipping; not finite if one is not."""
    clipped: bool
    """Whether a gradient was scaled down."""


def clip_gradients(model: AnimationModel, limit: float | None) -> Clipping:
    """Scale the gradient of each motion network so that no entry is larger than `limit`.

    Args:
        model: its gradients are changed in place, the generator's excepted.
        limit: largest absolute entry that stays; None changes nothing.
    """
    limit = math.inf if limit is None else limit
    networks = (model.keypoint_detector, model.dense_motion, model.background_predictor)
    motion = [_with_gradient(network) for network in networks if network is not None]
    largest = [clip_grad_norm_(taught, limit, math.inf) for taught in motion if taught]
    clipped = bool((torch.stack(largest) > limit).any())
    generator = [p.grad for p in _with_gradient(model.generator) if p.grad is not None]
    return Clipping(torch.stack([*largest, get_total_norm(generator, math.inf)]).amax(), clipped)


def _with_gradient(network: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in network.parameters() if parameter.grad is not None]
