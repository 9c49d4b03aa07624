import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio as skimage_psnr

from cpabmm_core.errors import DataError
from cpabmm_core.metrics import peak_signal_noise_ratio, structural_similarity


def pair(seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Three smooth frames and noisy versions of them."""
    random = np.random.default_rng(seed)
    ramps = np.cumsum(random.normal(0, 6, (3, 24, 30, 3)), axis=2) + 128
    noisy = ramps + random.normal(0, [[[[4]]], [[[12]]], [[[25]]]], ramps.shape)
    return ramps.clip(0, 255).astype(np.uint8), noisy.clip(0, 255).astype(np.uint8)


def ssim_by_definition(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Eq. 13 of Wang et al. (2004) on one channel, where the whole window fits."""
    offsets = np.arange(11) - 5
    line = np.exp(-0.5 * (offsets / 1.5) ** 2)
    window = np.outer(line, line) / line.sum() ** 2

    def mean(values: NDArray[Any]) -> NDArray[Any]:
        windows = np.lib.stride_tricks.sliding_window_view(values, (11, 11))
        return np.asarray(np.einsum("ijkl,kl->ij", windows, window))

    x, y = one.astype(float), other.astype(float)
    mean_x, mean_y = mean(x), mean(y)
    var_x, var_y = mean(x * x) - mean_x**2, mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (var_x + var_y + c2)
    return float((luminance * structure).mean())


def test_psnr_agrees_with_scikit_image() -> None:
    real, generated = pair()
    theirs = np.mean([skimage_psnr(*frames) for frames in zip(real, generated, strict=True)])
    assert peak_signal_noise_ratio(real, generated) == pytest.approx(theirs)


def test_psnr_of_identical_frames_is_infinite() -> None:
    real, _ = pair()
    assert peak_signal_noise_ratio(real, real) == math.inf


def test_ssim_agrees_with_its_definition() -> None:
    real, generated = pair()
    expected = np.mean(
        [
            ssim_by_definition(real[frame, ..., channel], generated[frame, ..., channel])
            for frame in range(3)
            for channel in range(3)
        ]
    )
    assert 0.2 < expected < 0.95
    assert structural_similarity(real, generated) == pytest.approx(expected, abs=1e-9)


def test_ssim_of_identical_frames_is_one() -> None:
    real, _ = pair()
    assert structural_similarity(real, real) == pytest.approx(1)


def test_ssim_rejects_frames_smaller_than_its_window() -> None:
    small = np.zeros((1, 20, 10, 3), dtype=np.uint8)
    with pytest.raises(
        DataError, match="10 x 20 is too small for SSIM; frames need at least 11 x 11"
    ):
        structural_similarity(small, small)
