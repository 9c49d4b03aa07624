"""L1: mean absolute difference of frames."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.metrics.frames import check_frames, in_unit_range


def l1(
    real: NDArray[Any],  # (F, H, W, 3) uint8, or floats in [0, 1]
    generated: NDArray[Any],  # (F, H, W, 3)
) -> float:
    """Mean absolute difference over all pixels and channels, in [0, 1]; 0 is best.

    The mean of a video is that of its frames' values, so long videos can be measured in parts.

    Raises:
        DataError: the shapes differ, or are not of that kind.

    Example:
        >>> l1(np.zeros((1, 2, 2, 3), np.uint8), np.full((1, 2, 2, 3), 255, np.uint8))
        1.0
    """
    check_frames(real, generated)
    return float(np.abs(in_unit_range(real) - in_unit_range(generated)).mean())


def mean_over_frames(
    means: Sequence[float],  # of videos, each over its frames
    frames: Sequence[int],  # of these videos
) -> float:
    """Mean over all frames of all videos, in which a long video counts for more.

    Example:
        >>> mean_over_frames([0.5, 0.25], [1, 3])
        0.3125
    """
    total = math.fsum(mean * count for mean, count in zip(means, frames, strict=True))
    return total / sum(frames)
