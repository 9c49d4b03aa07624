"""Convolution by tiles on the CPU, with as many threads as PyTorch uses."""

from collections import deque

import numpy as np
import torch
from torch import Tensor

from cpabmm_core.arrays import Array, Floats
from cpabmm_core.convolution import strips, upsampled_kernels, winograd_kernels
from cpabmm_core.convolution.filters import Filters, identity, pack, whole
from cpabmm_core.convolution.fusion import Fusion, Moments
from cpabmm_core.convolution.memory import flat, in_threads, steps
from cpabmm_core.convolution.simd import LANES

__all__ = ["Filters", "convolve", "identity", "pack"]

_STRIP_BYTES = 3 << 20  # of transformed values in each thread
_FEWEST, _MOST = 96, 192  # tiles of a strip
_PRODUCTS_PER_THREAD = 1 << 22  # fewer do not justify a thread
_spare: deque[Floats] = deque(maxlen=8)
"""Scratch memory that no thread uses; new memory costs a page fault for each 4 KB."""
_NOTHING = np.empty(0, dtype=np.float32)
_NO_MOMENTS = np.empty(0)


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
    capacity = min(capacity, -(-tiles // parts))
    space = strips.WORK + (capacity + 1) * values + 2 * kernels.POSITIONS * LANES
    scale, shift = (_padded(factor, depth) for factor in (fusion.scale, fusion.shift))
    residual = _NOTHING if fusion.residual is None else flat(_dense(fusion.residual))
    sums = [
        np.zeros(batch * 2 * whole(channels)) if fusion.moments else _NO_MOMENTS
        for _ in range(parts)
    ]

    def convolve_part(part: int) -> None:
        scratch = _scratch(space)
        strips.convolve(
            upsampled,
            flat(x),
            steps(x),
            (height, width, depth),
            padding,
            filters.weight,
            filters.bias,
            scale,
            shift,
            residual,
            sums[part],
            flat(result),
            steps(result),
            (*size, channels),
            (down, across),
            (tiles * part // parts, tiles * (part + 1) // parts),
            capacity,
            scratch,
        )
        _spare.append(scratch)

    in_threads(convolve_part, parts)
    if not fusion.moments:
        return result, None
    return result, _moments(sum(sums[1:], start=sums[0]), batch, channels, size[0] * size[1])


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


def _padded(factor: Tensor | None, channels: int) -> Floats:
    """Return (B, C) numbers, flat and with whole vectors of channels."""
    if factor is None:
        return _NOTHING
    padded = np.zeros((len(factor), whole(channels)), dtype=np.float32)
    padded[:, :channels] = factor.detach().numpy()
    return padded.reshape(-1)


def _moments(sums: Array, batch: int, channels: int, count: int) -> Moments:
    total, squares = sums.reshape(batch, 2, -1)[:, :, :channels].transpose(1, 0, 2) / count
    variance = np.maximum(squares - total * total, 0)
    return Moments(
        torch.from_numpy(total.astype(np.float32)), torch.from_numpy(variance.astype(np.float32))
    )


def _scratch(size: int) -> Floats:
    """Return scratch memory, of an earlier call if there is enough of it."""
    try:
        spare = _spare.pop()
    except IndexError:
        spare = _NOTHING
    return spare if len(spare) >= size else np.zeros(size, dtype=np.float32)
