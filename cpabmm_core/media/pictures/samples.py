"""Conversion of sample values of any type to 8 bits.

The range belongs to the format. Unsigned integers of n bits span 0 to 2^n - 1; signed ones span 0
to 2^(n-1) - 1, and negative values are black. Floating-point values span 0 to 1; NaN and infinite
values are black.

Programs also store 8 or 16 bits in wider types. Integers of 32 bits or more, and floating-point
values, therefore have a *measured* range: the smallest customary one that holds nearly all samples.
Single outliers cannot change it.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.arrays import Floats

Samples = NDArray[Any]
"""Integers or floating-point numbers of any shape."""

_WIDE_TYPE_RANGES = (255, 65535)
_RANGE_SHARE = 0.001
_FLOAT_TOLERANCE = 2.0
_SCALED_16_BITS = np.rint(np.arange(65536) / 257).astype(np.uint8)


def has_measured_range(dtype: np.dtype[Any]) -> bool:
    """Return whether the range of a type must be measured with `measure_white`."""
    return dtype.kind == "f" or dtype.itemsize > 2


def measure_white(parts: Iterable[Samples]) -> float:
    """Return the sample value of white for a type with a measured range.

    - Integers: the smallest of 255, 65535 and the largest value of the type that at most 0.1% of
      the samples exceed.
    - Floating-point numbers: 1, unless more than half of the positive samples exceed 2. Then 255 or
      65535 by the same rule.

    Args:
        parts: all samples of the picture, in parts of one type.
    """
    dtype, count, positive = np.dtype(np.uint8), 0, 0
    above = np.zeros(3, dtype=np.int64)
    for part in parts:
        dtype = part.dtype
        with np.errstate(invalid="ignore"):
            if dtype == np.float16:
                part = part.astype(np.float32)  # noqa: PLW2901 - 65535 is beyond its range
            finite = part[np.isfinite(part)] if dtype.kind == "f" else part
            count += finite.size
            positive += int((finite > 0).sum())
            thresholds = (_FLOAT_TOLERANCE, *_WIDE_TYPE_RANGES)
            above += [int((finite > threshold).sum()) for threshold in thresholds]
    if dtype.kind == "f" and above[0] * 2 <= positive:
        return 1.0
    for white, exceeding in zip(_WIDE_TYPE_RANGES, above[1:], strict=True):
        if exceeding <= _RANGE_SHARE * count:
            return float(white)
    return 65535.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)


def to_unit_range(values: Samples, white: float) -> NDArray[np.float32]:
    """Scale samples to [0, 1] so that `white` becomes 1; NaN and infinite values become 0."""
    wide = values.dtype.itemsize > 2
    with np.errstate(invalid="ignore"):  # signalling NaN
        scaled: Floats = np.divide(values, white, dtype=np.float64 if wide else np.float32)
    if values.dtype.kind == "f":
        scaled[~np.isfinite(scaled)] = 0
    return np.clip(scaled, 0, 1).astype(np.float32, copy=False)


def to_8_bits(values: Samples, bits: int | None = None) -> NDArray[np.uint8]:
    """Scale the samples of a whole picture to [0, 255].

    Args:
        values: integers or floating-point numbers.
        bits: bits that integers use, if fewer than their type has.

    Example:
        >>> to_8_bits(np.array([0, 32768, 65535], dtype=np.uint16)).tolist()
        [0, 128, 255]
        >>> to_8_bits(np.array([np.nan, -1, 0.5, 1.02])).tolist()
        [0, 0, 128, 255]
    """
    if values.dtype == np.uint8 and bits in (None, 8):
        return values
    if values.dtype == np.uint16 and bits in (None, 16):
        return np.take(_SCALED_16_BITS, values)
    return np.rint(to_unit_range(values, white_of(values, bits)) * 255).astype(np.uint8)


def white_of(values: Samples, bits: int | None = None) -> float:
    """Return the sample value of white: by type and bits, or measured."""
    if has_measured_range(values.dtype):
        return measure_white([values])
    used = bits or values.dtype.itemsize * 8
    return float(2 ** (used - 1 if values.dtype.kind == "i" else used) - 1)
