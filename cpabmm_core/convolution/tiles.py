"""Convolution by tiles on the CPU, with as many threads as PyTorch uses."""

import ctypes
from collections import deque

import torch
import torch.nn.functional as F
from torch import Tensor

from cpabmm_core.convolution import task, upsampled_kernels, winograd_kernels
from cpabmm_core.convolution.filters import Filters, identity, pack, whole
from cpabmm_core.convolution.fusion import Fusion, Moments
from cpabmm_core.convolution.memory import address, steps
from cpabmm_core.convolution.patches import WORK
from cpabmm_core.convolution.simd import LANES
from cpabmm_core.convolution.team import run_in_team

__all__ = ["Filters", "convolve", "identity", "pack"]

_STRIP_BYTES = 3 << 20  # of transformed values in each thread
_FEWEST, _MOST = 96, 192  # tiles of a strip
_PRODUCTS_PER_THREAD = 1 << 22  # fewer do not justify a thread
_spare: deque[Tensor] = deque(maxlen=8)
"""Scratch memory that no thread uses; new memory costs a page fault for each 4 KB."""


def convolve(
    x: Tensor,  # (B, C, H, W) float32
    filters: Filters,
    channels: int,
    padding: tuple[int, int],
    *,
    upsampled: bool,
    fusion: Fusion,
) -> tuple[Tensor, Moments | None]:  # (B, channels, H', W') in channels-last order
    """Convolve with transformed filters."""
    x = _channels_last(x)
    batch, depth, height, width = x.shape
    if upsampled:
        size = 2 * height, 2 * width
    else:
        size = height + 2 * padding[0] - 2, width + 2 * padding[1] - 2
    result = torch.empty((batch, channels, *size), memory_format=torch.channels_last)
    kernels = upsampled_kernels if upsampled else winograd_kernels
    down, across = (-(-length // kernels.TILE) for length in size)
    tiles, values = batch * down * across, kernels.POSITIONS * (whole(depth) + whole(channels))
    products = tiles * kernels.POSITIONS * whole(depth) * whole(channels)
    parts = max(1, min(torch.get_num_threads(), products // _PRODUCTS_PER_THREAD, tiles))
    capacity = max(_FEWEST, min(_MOST, _STRIP_BYTES // (4 * values)))
    strips = max(1, round(tiles / parts / capacity))  # equal ones: a short one reads all filters
    capacity = -(-tiles // (parts * strips)) + 1  # ranges of parts differ by one tile
    space = WORK + (capacity + 1) * values + 2 * kernels.POSITIONS * LANES
    scratch = _scratch(parts * space)
    scale, shift = (_padded(factor, depth) for factor in (fusion.scale, fusion.shift))
    residual = None if fusion.residual is None else _dense(fusion.residual)
    sums = None
    if fusion.moments:
        sums = torch.zeros(parts, batch, 2, whole(channels), dtype=torch.float64)
    order = task.describe(
        parts=parts,
        tiles=tiles,
        capacity=capacity,
        scratch=(address(scratch), 4 * space),
        moments=(address(sums), 8 * batch * 2 * whole(channels)),
        upsampled=upsampled,
        x=(address(x), *steps(x), height, width, depth),
        padding=padding,
        filters=(address(filters.weight), address(filters.bias)),
        factors=(address(scale), address(shift)),
        residual=address(residual),
        result=(address(result), *steps(result), *size, channels),
        grid=(down, across),
    )
    run_in_team(task.ADDRESS, ctypes.addressof(order), parts)
    _spare.append(scratch)
    if sums is None:
        return result, None
    return result, _moments(sums.sum(dim=0), channels, size[0] * size[1])


def _channels_last(x: Tensor) -> Tensor:
    """Return the tensor with the channels of a pixel side by side, by a copy if need be."""
    x = x.detach()
    if x.shape[1] > 1 and x.stride(1) != 1:
        return x.contiguous(memory_format=torch.channels_last)
    return x


def _dense(x: Tensor) -> Tensor:
    """Return the tensor in the order of a new channels-last tensor."""
    dense = torch.empty(x.shape, memory_format=torch.channels_last)
    same = x.stride(1) == 1 and steps(x) == steps(dense)
    return x.detach() if same else dense.copy_(x.detach())


def _padded(
    factor: Tensor | None,  # (B, C)
    channels: int,
) -> Tensor | None:  # (B, channels)
    """Return factors for whole vectors of channels."""
    if factor is None:
        return None
    return F.pad(factor.detach(), (0, whole(channels) - channels))


def _moments(
    sums: Tensor,  # (B, 2, D, padded) float64
    channels: int,
    count: int,
) -> Moments:
    mean, squares = (sums[:, :, :channels] / count).unbind(dim=1)
    variance = (squares - mean * mean).clamp_min(0)
    return Moments(mean.float(), variance.float())


def _scratch(size: int) -> Tensor:
    """Return scratch memory, of an earlier call if there is enough of it."""
    try:
        spare = _spare.pop()
    except IndexError:
        return torch.zeros(size)
    return spare if len(spare) >= size else torch.zeros(size)
