"""One convolution as a task for a team of threads.

The task is an array of integers: addresses, sizes, and a counter of the parts that are taken. So
one compiled function of one argument computes it, which any thread can call, also one of OpenMP.
"""

import ctypes
import zlib
from pathlib import Path
from typing import Any

from numba import cfunc, types

from cpabmm_core.convolution import pasting, patches, simd, strips
from cpabmm_core.convolution import product_kernel as product
from cpabmm_core.convolution import upsampled_kernels as upsampled
from cpabmm_core.convolution import winograd_kernels as winograd
from cpabmm_core.convolution.simd import ArrayOf, doubles_at, floats_at, take_next
from cpabmm_core.convolution.strips import convolve

# Places in a task. What has several numbers begins there.
_PARTS, _TILES, _CAPACITY = 1, 2, 3
_SCRATCH, _SCRATCH_BYTES = 4, 5
_MOMENTS, _MOMENTS_BYTES = 6, 7
_UPSAMPLED, _X, _X_STEPS, _X_SIZES, _PADDING = 8, 9, 10, 13, 16
_FILTERS, _BIAS = 18, 19
_SCALE, _SHIFT, _RESIDUAL = 20, 21, 22
_RESULT, _STEPS, _SIZES, _GRID = 23, 24, 27, 30
_LENGTH = 32


def describe(
    *,
    parts: int,
    tiles: int,
    capacity: int,
    scratch: tuple[int, int],
    moments: tuple[int, int],
    upsampled: bool,
    x: tuple[int, ...],
    padding: tuple[int, int],
    filters: tuple[int, int],
    factors: tuple[int, int],
    residual: int,
    result: tuple[int, ...],
    grid: tuple[int, int],
) -> Any:  # noqa: ANN401
    """Return a task.

    Args:
        parts: number of ranges of tiles, each computed by one thread.
        tiles: number of tiles.
        capacity: tiles that are computed together.
        scratch: address of scratch memory, and bytes for each part.
        moments: address of the sums of the result and its squares, (B, 2, channels, padded) float64
            for each part, and bytes for each part; address 0 if they are not asked for.
        upsampled: upsample the input by 2 first.
        x: address, steps of images, rows and pixels, height, width and channels of the input.
        padding: rows and columns of zeros around the input.
        filters: addresses of the packed filters and of the bias.
        factors: addresses of scale and shift, (B, channels of x, padded), or 0.
        residual: address of what is added to the result, in its order, or 0.
        result: address, steps, height, width and channels of the result.
        grid: tiles down and across an image.

    Returns:
        A `ctypes` array of integers; what its addresses point to must outlive the computation.
    """
    numbers = (
        *(0, parts, tiles, capacity, *scratch, *moments, int(upsampled), *x, *padding),
        *(*filters, *factors, residual, *result, *grid),
    )
    return (ctypes.c_int64 * _LENGTH)(*numbers)


def _sources() -> int:
    """Return a number that changes when a source of the kernels does."""
    found = [
        Path(module.__file__ or "")
        for module in (simd, product, winograd, upsampled, patches, pasting, strips)
    ]
    stamps = [(path.stat().st_mtime_ns, path.stat().st_size) for path in found if path.exists()]
    return zlib.crc32(repr(stamps).encode())


def _compile(stamp: int) -> Any:  # noqa: ANN401
    """Compile the function of a task, or load it: Numba's cache sees only this file and `stamp`."""

    def compute(task: Any) -> None:  # noqa: ANN401
        """Compute parts of a task until all are taken."""
        parts, tiles = task[_PARTS], task[_TILES] + 0 * stamp  # what it uses is part of its key
        part = take_next(task)
        while part < parts:
            convolve(
                task[_UPSAMPLED] != 0,
                floats_at(task[_X]),
                (task[_X_STEPS], task[_X_STEPS + 1], task[_X_STEPS + 2]),
                (task[_X_SIZES], task[_X_SIZES + 1], task[_X_SIZES + 2]),
                (task[_PADDING], task[_PADDING + 1]),
                floats_at(task[_FILTERS]),
                floats_at(task[_BIAS]),
                task[_SCALE] != 0,
                floats_at(task[_SCALE]),
                floats_at(task[_SHIFT]),
                task[_RESIDUAL] != 0,
                floats_at(task[_RESIDUAL]),
                task[_MOMENTS] != 0,
                doubles_at(task[_MOMENTS] + part * task[_MOMENTS_BYTES]),
                floats_at(task[_RESULT]),
                (task[_STEPS], task[_STEPS + 1], task[_STEPS + 2]),
                (task[_SIZES], task[_SIZES + 1], task[_SIZES + 2]),
                (task[_GRID], task[_GRID + 1]),
                (tiles * part // parts, tiles * (part + 1) // parts),
                task[_CAPACITY],
                floats_at(task[_SCRATCH] + part * task[_SCRATCH_BYTES]),
            )
            part = take_next(task)

    signature = types.void(ArrayOf(types.int64))
    try:
        return cfunc(signature, cache=True, error_model="numpy")(compute)
    except RuntimeError:  # neither the package's nor the user's folder can be written
        return cfunc(signature, error_model="numpy")(compute)


_compute = _compile(_sources())
ADDRESS: int = _compute.address
"""The compiled function, which computes parts of a task until all are taken."""
