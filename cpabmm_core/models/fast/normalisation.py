"""Normalisation, ReLU and pooling by the operators that are fastest on a CPU."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_FEWEST_POSITIONS = 1024
"""Below it, PyTorch normalises maps in channels-last order one channel at a time."""


def normalise(
    x: Tensor,  # (B, C, H, W)
    norm: nn.Module,
) -> Tensor:  # (B, C, H, W)
    """Apply a normalisation in eval mode.

    Instance normalisation is group normalisation with one channel per group. PyTorch's operator for
    the former goes through memory several times, that for the latter twice. Small maps in
    channels-last order are copied to the other order and back, which is up to 13 times as fast.
    """
    if (
        isinstance(norm, nn.InstanceNorm2d)
        and not norm.track_running_stats
        and x.shape[2] * x.shape[3] > 1
    ):
        is_small = x.shape[2] * x.shape[3] < _FEWEST_POSITIONS
        apart = x.device.type == "cpu" and is_small and not x.is_contiguous()
        maps = x.contiguous() if apart else x
        maps = F.group_norm(maps, x.shape[1], norm.weight, norm.bias, norm.eps)
        return maps.contiguous(memory_format=torch.channels_last) if apart else maps
    result: Tensor = norm(x)
    return result


def relu(
    x: Tensor,  # (B, C, H, W); it is overwritten
    *,
    pool: bool = False,
    out: Tensor | None = None,
) -> Tensor:  # (B, C, H, W), or (B, C, H // 2, W // 2)
    """Apply ReLU, and average 2 x 2 elements if asked to; write the result to `out` if given."""
    if pool:
        result = F.avg_pool2d(F.relu(x, inplace=True), 2)
        return result if out is None else out.copy_(result)
    return F.relu(x, inplace=True) if out is None else torch.clamp_min(x, 0, out=out)
