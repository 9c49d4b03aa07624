"""Numbers from whoever holds them: NumPy arrays, tensors on any device, lists of either."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpabmm_core.errors import ShapeError


def as_numbers(
    values: ArrayLike,  # of any shape; a tensor may have a gradient
    name: str,
) -> NDArray[np.float64]:
    """The values as one array; ``None`` becomes NaN.

    Args:
        values: what to convert.
        name: what the values are, for the error.

    Raises:
        ShapeError: rows of different lengths, or something that is no number.
    """
    try:
        return np.asarray(_on_the_host(values), dtype=np.float64)
    except (TypeError, ValueError) as error:
        reason = str(error).partition(". ")[0]
        raise ShapeError(
            f"{name}: cannot be read as an array of numbers ({reason}); give an array, a tensor or "
            "nested lists with rows of one length"
        ) from None


def _on_the_host(values: object) -> object:
    """Tensors, also within lists, as what NumPy reads; torch need not be loaded to tell them."""
    if isinstance(values, list | tuple):
        return [_on_the_host(value) for value in values]
    if hasattr(values, "detach"):
        return values.detach().cpu().double().numpy()  # NumPy has no bfloat16
    return values
