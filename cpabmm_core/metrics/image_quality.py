"""PSNR and SSIM of frames."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage import metrics as skimage_metrics

from cpabmm_core.errors import DataError
from cpabmm_core.metrics.frames import check_frames, in_unit_range

_SSIM_SIGMA = 1.5
_SSIM_WINDOW = 11


def peak_signal_noise_ratio(
    real: NDArray[Any],  # (F, H, W, 3) uint8, or floats in [0, 1]
    generated: NDArray[Any],  # (F, H, W, 3)
) -> float:
    """Mean over frames of the peak signal-to-noise ratio in dB; infinite if a frame is identical.

    The mean of a video is that of its frames' values, so long videos can be measured in parts.

    Raises:
        DataError: the shapes differ, or are not of that kind.

    Example:
        >>> round(peak_signal_noise_ratio(np.zeros((1, 2, 2, 3)), np.full((1, 2, 2, 3), 0.1)), 6)
        20.0
    """
    check_frames(real, generated)
    squares = np.square(in_unit_range(real) - in_unit_range(generated)).mean(axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        return float(-10 * np.log10(squares).mean())


def structural_similarity(
    real: NDArray[Any],  # (F, H, W, 3) uint8, or floats in [0, 1]
    generated: NDArray[Any],  # (F, H, W, 3)
) -> float:
    """Mean over frames and channels of the structural similarity; 1 is best.

    As defined by Wang et al. (2004): Gaussian window of 11 pixels with sigma 1.5, population
    covariance. The mean of a video is that of its frames' values, so long videos can be measured in
    parts.

    Raises:
        DataError: the shapes differ, are not of that kind, or frames are smaller than the window.
    """
    check_frames(real, generated)
    if min(real.shape[1:3]) < _SSIM_WINDOW:
        raise DataError(
            f"frames: {real.shape[2]} x {real.shape[1]} is too small for SSIM, "
            f"which needs {_SSIM_WINDOW} pixels each way"
        )
    values = [
        skimage_metrics.structural_similarity(
            in_unit_range(one),
            in_unit_range(other),
            data_range=1.0,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=_SSIM_SIGMA,
            use_sample_covariance=False,
        )
        for one, other in zip(real, generated, strict=True)
    ]
    return float(np.mean(values))
