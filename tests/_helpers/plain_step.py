"""The training step in its plain form, with PyTorch's own operators: the twin of the fast one."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, get_total_norm

from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.blocks import SameBlock, UpBlock
from cpabmm_core.models.instance_norm import InstanceNorm2d
from cpabmm_core.models.narrow_convolution import NarrowConv2d
from cpabmm_core.training import step as training_step
from cpabmm_core.training.clipping import Clipping


def _upsample(block: UpBlock, x: Tensor) -> Tensor:
    return SameBlock.forward(block, F.interpolate(x, scale_factor=2.0, mode="nearest"))


def _clip(model: AnimationModel, limit: float | None) -> Clipping:
    networks = (model.keypoint_detector, model.dense_motion, model.background_predictor)
    motion = [_trained(network) for network in networks if network is not None]
    bound = math.inf if limit is None else limit
    largest = [clip_grad_norm_(trained, bound, math.inf) for trained in motion if trained]
    gradients = [p.grad for p in _trained(model.generator) if p.grad is not None]
    clipped = bool((torch.stack(largest) > bound).any())
    return Clipping(torch.stack([*largest, get_total_norm(gradients, math.inf)]).amax(), clipped)


def _trained(network: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in network.parameters() if parameter.grad is not None]


@contextmanager
def _unfused(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    before = [group["fused"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["fused"] = None
    try:
        yield
    finally:
        for group, fused in zip(optimizer.param_groups, before, strict=True):
            group["fused"] = fused


PLAIN: Mapping[str, Callable[[torch.optim.Optimizer], AbstractContextManager[object]]] = {
    "upsampled convolutions": lambda _: patch.object(UpBlock, "forward", _upsample),
    "instance normalisation": lambda _: patch.object(
        InstanceNorm2d, "forward", nn.InstanceNorm2d.forward
    ),
    "convolutions to few channels": lambda _: patch.object(
        NarrowConv2d, "forward", nn.Conv2d.forward
    ),
    "clipping": lambda _: patch.object(training_step, "clip_gradients", _clip),
    "optimizer": _unfused,
}
"""What makes each fast part plain while its context is open, given the optimizer of the run."""


@contextmanager
def plain_step(optimizer: torch.optim.Optimizer, *, but: str | None = None) -> Iterator[None]:
    """Make the training step plain, all of it or all but one part."""
    with ExitStack() as stack:
        for name, plain in PLAIN.items():
            if name != but:
                stack.enter_context(plain(optimizer))
        yield
