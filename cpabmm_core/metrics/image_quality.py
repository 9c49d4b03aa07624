"""PSNR and SSIM of frames."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage import metrics as skimage_metrics

from cpabmm_core.errors import DataError
from cpabmm_core.metrics.frames import check_frames, to_unit_range

_SSIM_SIGMA = 1.5
_SSIM_WINDOW = 11


def peak_signal_noise_ratio(
    real: NDArray[Any],  # (F, H, W, 3) uint8, or floats in [0, 1]
    generated: NDArray[Any],  # (F, H, W, 3)
) -> float:
    """Compute the peak signal-to-noise ratio of each frame and return the mean.

    The value of a video is the mean of the values of its frames, so long videos can be processed
    in chunks.

    Args:
        real: ground-truth frames.
        generated: generated frames.

    Returns:
        PSNR in dB; higher is better. Infinite if a frame is identical to the real one.

    Raises:
        DataError: the shapes differ, or a shape or dtype is wrong.

    Example:
        >>> import numpy as np
        >>> round(peak_signal_noise_ratio(np.zeros((1, 2, 2, 3)), np.full((1, 2, 2, 3), 0.1)), 6)
        20.0
    """
    check_frames(real, generated)
    squares = np.square(to_unit_range(real) - to_unit_range(generated)).mean(axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        return float(-10 * np.log10(squares).mean())


def structural_similarity(
    real: NDArray[Any],  # (F, H, W, 3) uint8, or floats in [0, 1]
    generated: NDArray[Any],  # (F, H, W, 3)
) -> float:
    """Compute the structural similarity of each frame and return the mean.

    Follows Wang et al. (2004): an 11-pixel Gaussian window with sigma 1.5, population covariance,
    and the mean over the colour channels. The value of a video is the mean of the values of its
    frames, so long videos can be processed in chunks.

    Args:
        real: ground-truth frames.
        generated: generated frames.

    Returns:
        SSIM in [-1, 1]; higher is better.

    Raises:
        DataError: the shapes differ, a shape or dtype is wrong, or a frame is smaller than the
            window.

    Example:
        >>> import numpy as np
        >>> frame = np.linspace(0, 1, 16 * 16 * 3).reshape(1, 16, 16, 3)
        >>> round(structural_similarity(frame, frame), 6)
        1.0
    """
    check_frames(real, generated)
    if min(real.shape[1:3]) < _SSIM_WINDOW:
        raise DataError(
            f"frames: {real.shape[2]} x {real.shape[1]} is too small for SSIM; "
            f"frames need at least {_SSIM_WINDOW} x {_SSIM_WINDOW} pixels"
        )
    values = [
        skimage_metrics.structural_similarity(
            to_unit_range(one),
            to_unit_range(other),
            data_range=1.0,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=_SSIM_SIGMA,
            use_sample_covariance=False,
        )
        for one, other in zip(real, generated, strict=True)
    ]
    return float(np.mean(values))
