"""One convolution as a task for a team of threads.

The task is an array of integers: addresses, sizes, and a counter of the parts that are taken. So
one compiled function of one argument computes it, which any thread can call, also one of OpenMP.
"""

from typing import Any

from numba import cfunc, types

from cpabmm_core.convolution.simd import doubles_at, floats_at, take_next
from cpabmm_core.convolution.strips import convolve


# Places in a task. What has several numbers begins there.
_NEXT, PARTS, _TILES, _CAPACITY = 0, 1, 2, 3
SCRATCH, _SCRATCH_BYTES = 4, 5
MOMENTS, _MOMENTS_BYTES = 6, 7
UPSAMPLED, _X, _X_STEPS, _X_SIZES, _PADDING = 8, 9, 10, 13, 16
FILTERS, _BIAS = 18, 19
SCALE, _SHIFT, _RESIDUAL = 20, 21, 22
RESULT, _STEPS, _SIZES, _GRID = 23, 24, 27, 30
LENGTH = 32


@cfunc(types.void(types.CPointer(types.int64)), cache=True, error_model="numpy")
def compute(task: Any) -> None:  # noqa: ANN401
    """Compute parts of a task until all are taken."""
    parts, tiles = task[PARTS], task[_TILES]
    part = take_next(task)
    while part < parts:
        convolve(
            task[UPSAMPLED] != 0,
            floats_at(task[_X]),
            (task[_X_STEPS], task[_X_STEPS + 1], task[_X_STEPS + 2]),
            (task[_X_SIZES], task[_X_SIZES + 1], task[_X_SIZES + 2]),
            (task[_PADDING], task[_PADDING + 1]),
            floats_at(task[FILTERS]),
            floats_at(task[_BIAS]),
            task[SCALE] != 0,
            floats_at(task[SCALE]),
            floats_at(task[_SHIFT]),
            task[_RESIDUAL] != 0,
            floats_at(task[_RESIDUAL]),
            task[MOMENTS] != 0,
            doubles_at(task[MOMENTS] + part * task[_MOMENTS_BYTES]),
            floats_at(task[RESULT]),
            (task[_STEPS], task[_STEPS + 1], task[_STEPS + 2]),
            (task[_SIZES], task[_SIZES + 1], task[_SIZES + 2]),
            (task[_GRID], task[_GRID + 1]),
            (tiles * part // parts, tiles * (part + 1) // parts),
            task[_CAPACITY],
            floats_at(task[SCRATCH] + part * task[_SCRATCH_BYTES]),
        )
        part = take_next(task)
