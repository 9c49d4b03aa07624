"""L1: mean absolute difference of pixels."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.metrics.frames import check_frames, to_unit_range


def l1(
    real: NDArray[Any],  # (F, H, W, 3) uint8, or floats in [0, 1]
    generated: NDArray[Any],  # (F, H, W, 3)
) -> float:
    """Compute the mean absolute difference over all pixels and channels.

    The value of a video is the mean of the values of its frames, so long videos can be processed
    in chunks.

    Args:
        real: ground-truth frames.
        generated: generated frames.

    Returns:
        L1 in [0, 1]; lower is better.

    Raises:
        DataError: the shapes differ, or a shape or dtype is wrong.

    Example:
        >>> import numpy as np
        >>> black = np.zeros((1, 2, 2, 3), np.uint8)
        >>> l1(black, black + np.uint8(255))
        1.0
    """
    check_frames(real, generated)
    return float(np.abs(to_unit_range(real) - to_unit_range(generated)).mean())


def mean_over_frames(
    means: Sequence[float],  # mean of each video over its frames
    frames: Sequence[int],  # number of frames of each video
) -> float:
    """Return the mean over all frames of all videos, weighting each video by its length.

    Example:
        >>> mean_over_frames([0.5, 0.25], [1, 3])
        0.3125
    """
    total = math.fsum(mean * count for mean, count in zip(means, frames, strict=True))
    return total / sum(frames)
