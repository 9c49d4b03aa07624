"""Normalisation, ReLU and pooling of one feature map after the other, compiled for the CPU.

A map stays in the processor's cache from its statistics to its result, so each element is read from
memory once and written once. All kernels release the interpreter lock. NaN and infinity propagate.
"""

import numba
import numpy as np

from cpabmm_core.arrays import Floats

# Sums may be reordered, which vectorises them; NaN and infinity keep their meaning.
_FASTMATH = {"reassoc", "contract", "nsz"}
_compiled = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=_FASTMATH)
_inlined = numba.njit(inline="always", error_model="numpy", fastmath=_FASTMATH)


@_inlined
def _line(values: Floats, scale: float, shift: float, eps: float) -> tuple[float, float]:
    """Return a and b such that a x + b is the normalised map, times scale, plus shift."""
    count, total, squares = np.float32(len(values)), np.float32(0), np.float32(0)
    for i in range(len(values)):
        total += values[i]
    mean = total / count
    for i in range(len(values)):
        difference = values[i] - mean
        squares += difference * difference
    slope = scale / np.sqrt(squares / count + eps)
    return slope, shift - mean * slope


@_compiled
def normalise(
    maps: Floats,  # (M, H * W)
    scale: Floats,  # (C,), where M is a multiple of C
    shift: Floats,  # (C,)
    eps: float,
    out: Floats,  # (M, H * W), may be `maps`
) -> None:
    """Write relu(scale * normalised + shift) of each map."""
    zero = np.float32(0)
    for index in range(len(maps)):
        values, target = maps[index], out[index]
        channel = index % len(scale)
        a, b = _line(values, scale[channel], shift[channel], eps)
        for i in range(len(values)):
            value = values[i] * a + b
            target[i] = zero if value < zero else value


@_compiled
def normalise_and_pool(
    maps: Floats,  # (M, H * W)
    width: int,
    scale: Floats,  # (C,), where M is a multiple of C
    shift: Floats,  # (C,)
    eps: float,
    out: Floats,  # (M, H // 2, W // 2)
) -> None:
    """Write the means of 2 x 2 elements of relu(scale * normalised + shift)."""
    zero, quarter = np.float32(0), np.float32(0.25)
    for index in range(len(maps)):
        values, target = maps[index], out[index]
        channel = index % len(scale)
        a, b = _line(values, scale[channel], shift[channel], eps)
        a, b = a * quarter, b * quarter
        for row in range(target.shape[0]):
            upper = values[2 * row * width : (2 * row + 1) * width]
            lower = values[(2 * row + 1) * width : (2 * row + 2) * width]
            for column in range(target.shape[1]):
                first = upper[2 * column] * a + b
                second = upper[2 * column + 1] * a + b
                third = lower[2 * column] * a + b
                fourth = lower[2 * column + 1] * a + b
                first = zero if first < zero else first
                second = zero if second < zero else second
                third = zero if third < zero else third
                fourth = zero if fourth < zero else fourth
                target[row, column] = (first + second) + (third + fourth)
