"""A dense motion network with more candidate motions than the one that it begins from.

TPSMM has one candidate for each group of keypoints and the background's; the paper's model has a
global one besides. New channels are the last ones everywhere, so what there was stays in its place.
At step 0 the wider network gives the shared candidates the weights that the narrower one gave them:
nothing looks at what is new yet, and the new candidates' maps are copies of the background's, by a
constant so far below it that float32 rounds their share away. Both learn from there; the share is
lifted by weight decay at first, for its gradient is as small as itself.
"""

import math

import torch
from torch import Tensor

_INPUT = "dense_motion.hourglass.down_blocks.0.conv.weight"
_MAPS = "dense_motion.contribution_head"
_COLOURS = 3
_BELOW = -math.log(torch.finfo(torch.float32).eps / 4)
"""exp(-this) of the background's share is less than half of what float32 tells apart beside 1."""

Tensors = dict[str, Tensor]


def widen_dense_motion(
    given: Tensors,  # by our names
    wanted: Tensors,  # of the wider model, with its first weights
) -> Tensors:
    """Tensors of the dense motion network in the wider model's shapes; none where nothing is wider.

    Only for networks that differ by the number of candidates alone.
    """
    names = [name for name in wanted if name.startswith("dense_motion.")]
    if not all(name in given for name in names) or not _only_candidates_differ(given, wanted):
        return {}
    widened = {
        name: _widened(given[name], wanted[name])
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


def _widened(
    given: Tensor,  # (out, in, k, k), or (out,)
    wanted: Tensor,  # no smaller along any axis
) -> Tensor:  # as wanted
    """What was given, blind to new input channels; new output channels as they are in `wanted`."""
    widened = wanted.clone()
    outputs = slice(given.shape[0])
    if given.ndim > 1:
        widened[outputs] = 0
    widened[tuple(slice(length) for length in given.shape)] = given
    return widened
