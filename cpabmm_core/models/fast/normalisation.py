"""Normalisation, ReLU and pooling by the operators that are fastest on a CPU."""

import torch.nn.functional as F
from torch import Tensor, nn


def normalise(
    x: Tensor,  # (B, C, H, W)
    norm: nn.Module,
) -> Tensor:  # (B, C, H, W)
    """Apply a normalisation in eval mode.

    Instance normalisation is group normalisation with one channel per group. PyTorch's operator for
    the former goes through memory several times; that for the latter keeps a map in the cache.
    """
    if type(norm) is nn.InstanceNorm2d and not norm.track_running_stats and x[0, 0].numel() > 1:
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
    result = F.relu(x, inplace=True)
    if pool:
        result = average_pool(result)
    return result if out is None else out.copy_(result)


def average_pool(
    x: Tensor,  # (B, C, H, W)
) -> Tensor:  # (B, C, H // 2, W // 2)
    """Average 2 x 2 elements, a row or column that is left over apart.

    PyTorch's operator adds element by element; sums of slices are vectorised.
    """
    height, width = (length // 2 * 2 for length in x.shape[2:])
    rows = x[:, :, 0:height:2] + x[:, :, 1:height:2]
    return rows[..., 0:width:2].add(rows[..., 1:width:2]).mul_(0.25)
