"""Preparation of a model for inference."""

from collections.abc import Callable
from typing import Any

from torch import nn

from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.blocks import DownBlock, Hourglass, ResidualBlock, SameBlock, UpBlock
from cpabmm_core.models.dense_motion import DenseMotionNetwork
from cpabmm_core.models.fast.blocks import (
    FastDownBlock,
    FastHourglass,
    FastResidualBlock,
    FastSameBlock,
    FastUpBlock,
)
from cpabmm_core.models.fast.convolution import FastConv2d
from cpabmm_core.models.fast.dense_motion import FastDenseMotionNetwork
from cpabmm_core.models.fast.folding import fold_children
from cpabmm_core.models.fast.generators import FastInpaintingNetwork, FastOcclusionAwareGenerator
from cpabmm_core.models.fast.model import FastAnimationModel
from cpabmm_core.models.fast.views import Prepare, eval_view
from cpabmm_core.models.inpainting import InpaintingNetwork
from cpabmm_core.models.narrow_convolution import NarrowConv2d
from cpabmm_core.models.occlusion_aware import OcclusionAwareGenerator

_FAST: dict[type[nn.Module], Callable[[Any, Prepare], nn.Module]] = {
    AnimationModel: FastAnimationModel,
    DenseMotionNetwork: FastDenseMotionNetwork,
    DownBlock: FastDownBlock,
    Hourglass: FastHourglass,
    InpaintingNetwork: FastInpaintingNetwork,
    OcclusionAwareGenerator: FastOcclusionAwareGenerator,
    ResidualBlock: FastResidualBlock,
    SameBlock: FastSameBlock,
    UpBlock: FastUpBlock,
    nn.Conv2d: lambda plain, _: FastConv2d(plain),
    NarrowConv2d: lambda plain, _: FastConv2d(plain),
}
"""The view of each class; a subclass may behave differently, so it gets a view of its own class."""


def prepare_for_inference(model: AnimationModel) -> AnimationModel:
    """Return a view of a model that computes the same in less time, without gradients.

    It shares the parameters and buffers of the model, which stays as it is. Later changes of them
    are seen, also those by `load_state_dict` and `to`. The view is always in eval mode. It can be
    used from several threads at once.

    Forward hooks on modules of the model are called, other than those on normalisations.

    Args:
        model: the model; parts of other classes than this package's run as they are.

    Example:
        >>> import torch
        >>> from cpabmm_core import load_model
        >>> model = load_model("puppets", device="cpu")
        >>> images = torch.rand(2, 3, 128, 128)
        >>> with torch.no_grad():
        ...     expected = model.keypoints(images)
        >>> torch.allclose(prepare_for_inference(model).keypoints(images), expected, atol=1e-5)
        True
    """
    prepared = _prepare(model)
    assert isinstance(prepared, AnimationModel)
    return prepared


def _prepare(module: nn.Module) -> nn.Module:
    make = _FAST.get(type(module))
    if make is not None and _has_usual_blocks(module):
        return make(module, _prepare)
    view = eval_view(module, _prepare)
    fold_children(view, module)
    return view


def _has_usual_blocks(module: nn.Module) -> bool:
    """Return whether all blocks of a network have the class and the convolution that they had."""
    blocks = [block for block in module.modules() if isinstance(block, SameBlock)]
    return all(type(block) in _FAST and type(block.conv) is nn.Conv2d for block in blocks)
