"""Conversion of values read from files to arrays of numbers."""

import reprlib
import sys

import numpy as np

from cpabmm_core.arrays import Array
from cpabmm_core.errors import DataError


def as_numbers(file: str, what: str, values: object) -> Array:
    """Convert values of a file to float64; null becomes NaN.

    Args:
        file: name of the file, for the error message.
        what: name of the values, for the error message.
        values: nested lists, or an array.

    Raises:
        DataError: rows differ in length, or a value is not a number.
    """
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biufO":  # astype would convert complex numbers and text
            raise TypeError
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        trouble = _first_oddity(values) or "has a value that is not a number"
        raise DataError(f"{file}: {what} {trouble}; correct it") from None


def _first_oddity(values: object) -> str | None:
    """Describe the first row that is not like the others, or the first value not a number."""
    if not isinstance(values, list):
        return None
    rows = [row if isinstance(row, list) else [row] for row in values]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            return f"has rows of different lengths: row {number} has {len(row)}, not {len(rows[0])}"
        for value in row:
            if not isinstance(value, int | float | None) or abs(value or 0) > sys.float_info.max:
                return f"has a value that is not a number: row {number} has {reprlib.repr(value)}"
    return None
