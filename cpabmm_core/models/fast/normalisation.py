"""Normalisation, ReLU and pooling by the operators that are fastest on a CPU."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def normalise(
    x: Tensor,  # (B, C, H, W)
    norm: nn.Module,
) -> Tensor:  # (B, C, H, W)
    """Apply a normalisation in eval mode.

    Instance normalisation is group normalisation with one channel per group. PyTorch's operator for
    the former goes through memory several times, that for the latter twice.
    """
    if (
        isinstance(norm, nn.InstanceNorm2d)
        and not norm.track_running_stats
        and x.shape[2] * x.shape[3] > 1
    ):
        return F.group_norm(x, x.shape[1], norm.weight, norm.bias, norm.eps)
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
