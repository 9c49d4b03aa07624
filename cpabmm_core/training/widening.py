"""Widening a dense motion network for more candidate motions.

TPSMM has one candidate for each group of keypoints and one for the background. The paper's model
adds a global one. New channels come last everywhere, so existing ones keep their position. At step
0, the wider network computes exactly the contribution maps of the narrower one: the weights of the
new input channels are 0, and the logits of the new candidates are those of the background minus a
constant so large that float32 rounds their share away. Training starts from there. At first the
share grows by weight decay, because its gradient is as small as the share itself.
"""

import math

import torch
from torch import Tensor

_INPUT = "dense_motion.hourglass.down_blocks.0.conv.weight"
_MAPS = "dense_motion.contribution_head"
_COLOURS = 3
_BELOW = -math.log(torch.finfo(torch.float32).eps / 4)
"""Difference of the logits. The share exp(-_BELOW) is below half the resolution of float32 at 1."""

Tensors = dict[str, Tensor]


def widen_dense_motion(
    given: Tensors,  # by our names
    wanted: Tensors,  # of the wider model, with its initial weights
) -> Tensors:
    """Return tensors of the dense motion network in the wider model's shapes.

    The result is empty unless both networks differ in the number of candidates only.
    """
    names = [name for name in wanted if name.startswith("dense_motion.")]
    if not all(name in given for name in names) or not _only_candidates_differ(given, wanted):
        return {}
    widened = {
        name: _widen(given[name], wanted[name])
        for name in names
        if given[name].shape != wanted[name].shape
    }
    count = given[f"{_MAPS}.bias"].shape[0]
    for name, below in ((f"{_MAPS}.weight", 0.0), (f"{_MAPS}.bias", _BELOW)):
        widened[name][count:] = widened[name][:1] - below
    return widened


def _only_candidates_differ(given: Tensors, wanted: Tensors) -> bool:
    more = wanted[f"{_MAPS}.bias"].shape[0] - given[f"{_MAPS}.bias"].shape[0]
    channels = wanted[_INPUT].shape[1] - given[_INPUT].shape[1]
    first_features = (tensors[_INPUT].shape[0] for tensors in (given, wanted))
    return more > 0 and channels == _COLOURS * more and len(set(first_features)) == 1


def _widen(
    given: Tensor,  # (out, in, k, k), or (out,)
    wanted: Tensor,  # no smaller along any axis
) -> Tensor:  # shape of `wanted`
    """Extend `given`: weights of new inputs are 0, new outputs have the values of `wanted`."""
    widened = wanted.clone()
    outputs = slice(given.shape[0])
    if given.ndim > 1:
        widened[outputs] = 0
    widened[tuple(slice(length) for length in given.shape)] = given
    return widened
