"""What the measures of images take: two stacks of frames of one shape."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.errors import DataError


def in_unit_range(
    frames: NDArray[Any],  # (F, H, W, 3) uint8, or floats in [0, 1]
) -> NDArray[np.float64]:
    """The frames as float64 in [0, 1]."""
    values = frames.astype(np.float64)
    return values / 255 if frames.dtype == np.uint8 else values


def check_frames(real: NDArray[Any], generated: NDArray[Any]) -> None:
    """Check that both are (F, H, W, 3), of one shape and of a kind that the measures take.

    Raises:
        DataError: they are not.
    """
    if real.shape != generated.shape:
        raise DataError(
            f"frames: the real ones are {real.shape}, the generated ones {generated.shape}; "
            "compare videos of one length and size"
        )
    if real.ndim != 4 or real.shape[3] != 3 or not real.size:
        raise DataError(f"frames: expected (F, H, W, 3), at least one, got {real.shape}")
    for frames in (real, generated):
        if frames.dtype != np.uint8 and not np.issubdtype(frames.dtype, np.floating):
            raise DataError(f"frames: expected uint8, or floats in [0, 1], got {frames.dtype}")
