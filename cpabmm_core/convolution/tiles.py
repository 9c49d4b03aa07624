"""Convolution by tiles on the CPU, with as many threads as PyTorch uses."""

import threading
from collections import deque
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from cpabmm_core.arrays import Floats
from cpabmm_core.convolution import strips, upsampled_kernels, winograd_kernels
from cpabmm_core.convolution.filters import Filters, identity, pack
from cpabmm_core.convolution.simd import LANES

_STRIP_BYTES = 3 << 20  # of transformed values in each thread
_spare: deque[Floats] = deque(maxlen=8)
"""Scratch memory that no thread uses; new memory costs a page fault for each 4 KB."""
_FEWEST, _MOST = 48, 192  # tiles of a strip
_PRODUCTS_PER_THREAD = 1 << 22  # fewer do not justify a thread


def convolve(
    x: Tensor,  # (B, C, H, W) float32
    filters: Filters,
    channels: int,
    padding: tuple[int, int],
    *,
    upsampled: bool,
) -> Tensor:  # (B, channels, H', W') in channels-last order
    """Convolve with transformed filters."""
    x = x.detach()
    if x.shape[1] > 1 and x.stride(1) != 1:
        x = x.contiguous(memory_format=torch.channels_last)
    batch, depth, height, width = x.shape
    if upsampled:
        rows, columns = 2 * height, 2 * width
    else:
        rows, columns = height + 2 * padding[0] - 2, width + 2 * padding[1] - 2
    result = torch.empty((batch, channels, rows, columns), memory_format=torch.channels_last)
    kernels = upsampled_kernels if upsampled else winograd_kernels
    down, across = -(-rows // kernels.TILE), -(-columns // kernels.TILE)
    tiles = batch * down * across
    width_in, width_out = (-(-count // LANES) * LANES for count in (depth, channels))
    products = tiles * kernels.POSITIONS * width_in * width_out
    parts = max(1, min(torch.get_num_threads(), products // _PRODUCTS_PER_THREAD, tiles))
    bytes_per_tile = kernels.POSITIONS * (width_in + width_out) * 4
    capacity = max(_FEWEST, min(_MOST, _STRIP_BYTES // bytes_per_tile))
    capacity = min(capacity, -(-tiles // parts))

    longest = capacity + 2
    size = strips.WORK + kernels.POSITIONS * (longest * (width_in + width_out) + 2 * LANES)

    def convolve_part(part: int) -> None:
        scratch = _scratch(size)
        strips.convolve(
            upsampled,
            _flat(x),
            _strides(x),
            (height, width, depth),
            padding,
            filters.weight,
            filters.bias,
            _flat(result),
            _strides(result),
            (rows, columns, channels),
            (down, across),
            (tiles * part // parts, tiles * (part + 1) // parts),
            capacity,
            scratch,
        )
        _spare.append(scratch)

    _in_threads(convolve_part, parts)
    return result


def _scratch(size: int) -> Floats:
    """Return scratch memory, of an earlier call if there is enough of it."""
    try:
        spare = _spare.pop()
    except IndexError:
        spare = np.empty(0, dtype=np.float32)
    return spare if len(spare) >= size else np.zeros(size, dtype=np.float32)


def _flat(tensor: Tensor) -> Floats:
    """Return the memory of a tensor, from its first number to its last."""
    pairs = zip(tensor.shape, tensor.stride(), strict=True)
    span = 1 + sum((size - 1) * stride for size, stride in pairs)
    view: Floats = tensor.as_strided((span,), (1,)).numpy()
    return view


def _strides(tensor: Tensor) -> tuple[int, int, int]:
    return tensor.stride(0), tensor.stride(2), tensor.stride(3)


def _in_threads(work: Callable[[int], None], parts: int) -> None:
    """Call `work` with 0 .. parts - 1 in separate threads, the last in the current one."""
    threads = [threading.Thread(target=work, args=(part,)) for part in range(parts - 1)]
    for thread in threads:
        thread.start()
    work(parts - 1)
    for thread in threads:
        thread.join()
