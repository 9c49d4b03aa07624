import math

import numpy as np
import pytest
from skimage import metrics as reference

from cpabmm_core.errors import DataError
from cpabmm_core.metrics.frame_quality import FrameQuality

RANDOM = np.random.default_rng(0)


def pictures(count: int, side: int = 16) -> np.ndarray:
    return RANDOM.integers(0, 256, (count, side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize("step", [1, 3, 8])
def test_the_means_are_those_of_scikit_image_however_the_frames_come(step: int) -> None:
    real, generated = pictures(7), pictures(7)
    metric = FrameQuality()
    metric.start_video("a")
    for start in range(0, 7, step):
        metric.update(real[start : start + step], generated[start : start + step])
    tallies = metric.compute().tallies
    pairs = list(zip(real, generated, strict=True))
    psnr = np.mean([reference.peak_signal_noise_ratio(*pair) for pair in pairs])
    ssim = np.mean(
        [
            reference.structural_similarity(
                *pair,
                channel_axis=-1,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
            for pair in pairs
        ]
    )
    expected = {"l1": np.abs(real / 255 - generated / 255).mean(), "psnr": psnr, "ssim": ssim}
    assert {key: tally.count for key, tally in tallies.items()} == dict.fromkeys(expected, 7)
    for key, value in expected.items():
        assert tallies[key].mean == pytest.approx(value, rel=1e-9), key


def test_identical_frames_are_perfect() -> None:
    real = pictures(2)
    metric = FrameQuality()
    metric.start_video("a")
    metric.update(real, real)
    tallies = metric.compute().tallies
    assert (tallies["l1"].mean, tallies["psnr"].mean, tallies["ssim"].mean) == (0, math.inf, 1)


def test_a_video_does_not_know_the_one_before() -> None:
    metric, real, generated = FrameQuality(), pictures(3), pictures(3)
    metric.start_video("a")
    metric.update(pictures(4), pictures(4))
    metric.start_video("b")
    metric.update(real, generated)
    fresh = FrameQuality()
    fresh.start_video("b")
    fresh.update(real, generated)
    assert metric.compute() == fresh.compute()


def test_frames_too_small_for_ssim_are_refused() -> None:
    metric = FrameQuality()
    metric.start_video("a")
    with pytest.raises(DataError, match="too small for SSIM"):
        metric.update(pictures(1, side=4), pictures(1, side=4))
