"""Conversion of arrays, tensors and nested lists to NumPy."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpabmm_core.errors import ShapeError


def as_float64(
    values: ArrayLike,  # of any shape; tensors may require gradients
    name: str,
) -> NDArray[np.float64]:
    """Convert values to a float64 array; ``None`` becomes NaN.

    Args:
        values: array, tensor on any device, or nested lists of either.
        name: name of the values, for the error message.

    Raises:
        ShapeError: the rows differ in length, or an entry is not a number.
    """
    try:
        return np.asarray(_to_cpu(values), dtype=np.float64)
    except (TypeError, ValueError) as error:
        reason = str(error).partition(". ")[0]
        raise ShapeError(
            f"{name}: not an array of numbers ({reason}); give an array, a tensor or nested lists "
            "with rows of equal length"
        ) from None


def _to_cpu(values: object) -> object:
    """Convert tensors, including those in lists, to arrays without importing torch."""
    if isinstance(values, list | tuple):
        return [_to_cpu(value) for value in values]
    if hasattr(values, "detach"):
        return values.detach().cpu().double().numpy()  # NumPy has no bfloat16
    return values
