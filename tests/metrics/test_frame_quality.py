import math

import numpy as np
import pytest
from skimage import metrics as reference

from cpabmm_core.errors import DataError
from cpabmm_core.metrics.frame_quality import FrameQuality

RANDOM = np.random.default_rng(0)


def random_frames(count: int, side: int = 16) -> np.ndarray:
    return RANDOM.integers(0, 256, (count, side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize("step", [1, 3, 8])
def test_means_agree_with_scikit_image_for_any_chunk_size(step: int) -> None:
    real, generated = random_frames(7), random_frames(7)
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


def test_identical_frames_have_perfect_values() -> None:
    real = random_frames(2)
    metric = FrameQuality()
    metric.start_video("a")
    metric.update(real, real)
    tallies = metric.compute().tallies
    assert (tallies["l1"].mean, tallies["psnr"].mean, tallies["ssim"].mean) == (0, math.inf, 1)


def test_videos_are_independent() -> None:
    metric, real, generated = FrameQuality(), random_frames(3), random_frames(3)
    metric.start_video("a")
    metric.update(random_frames(4), random_frames(4))
    metric.start_video("b")
    metric.update(real, generated)
    fresh = FrameQuality()
    fresh.start_video("b")
    fresh.update(real, generated)
    assert metric.compute() == fresh.compute()


def test_frames_too_small_for_ssim_are_rejected() -> None:
    metric = FrameQuality()
    metric.start_video("a")
    with pytest.raises(DataError, match="too small for SSIM"):
        metric.update(random_frames(1, side=4), random_frames(1, side=4))
