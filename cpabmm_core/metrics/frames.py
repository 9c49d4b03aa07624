"""Checks and conversion of the frames that image metrics take."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.errors import DataError


def to_unit_range(
    frames: NDArray[Any],  # (F, H, W, 3) uint8, or floats in [0, 1]
) -> NDArray[np.float64]:
    """Convert frames to float64 in [0, 1]."""
    values = frames.astype(np.float64)
    return values / 255 if frames.dtype == np.uint8 else values


def check_frames(real: NDArray[Any], generated: NDArray[Any]) -> None:
    """Check that both arrays are (F, H, W, 3), of equal shape, and uint8 or floating point.

    Raises:
        DataError: a shape or dtype is wrong.
    """
    if real.shape != generated.shape:
        raise DataError(
            f"frames: real {real.shape} and generated {generated.shape} differ in shape; "
            "compare videos of equal length and size"
        )
    if real.ndim != 4 or real.shape[3] != 3 or not real.size:
        raise DataError(f"frames: expected a non-empty (F, H, W, 3) array, got {real.shape}")
    for frames in (real, generated):
        if frames.dtype != np.uint8 and not np.issubdtype(frames.dtype, np.floating):
            raise DataError(f"frames: expected uint8, or floats in [0, 1], got {frames.dtype}")
