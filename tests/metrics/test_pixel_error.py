from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from cpabmm_core.errors import DataError
from cpabmm_core.metrics import l1, peak_signal_noise_ratio, structural_similarity
from cpabmm_core.metrics.pixel_error import mean_over_frames

METRICS = [l1, peak_signal_noise_ratio, structural_similarity]


def noise(frames: int, seed: int, height: int = 16, width: int = 20) -> NDArray[np.uint8]:
    shape = (frames, height, width, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_known_differences() -> None:
    real = np.zeros((2, 4, 4, 3), dtype=np.uint8)
    generated = real.copy()
    generated[0, 0, 0] = (255, 51, 0)
    assert l1(real, generated) == pytest.approx((1 + 0.2) / (2 * 4 * 4 * 3))


def test_l1_of_uniform_noise_is_one_third() -> None:
    random = np.random.default_rng(0)
    real, generated = random.random((2, 3, 64, 64, 3))
    assert l1(real, generated) == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize("metric", METRICS)
def test_uint8_and_float_frames_agree(metric: Callable[..., float]) -> None:
    real, generated = noise(2, 0), noise(2, 1)
    as_floats = metric(real / 255, (generated / 255).astype(np.float32))
    assert metric(real, generated) == pytest.approx(as_floats, rel=1e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_a_video_is_the_mean_of_its_frames(metric: Callable[..., float]) -> None:
    real, generated = noise(4, 0), noise(4, 1) // 2
    parts = [metric(real[i : i + 1], generated[i : i + 1]) for i in range(4)]
    assert metric(real, generated) == pytest.approx(np.mean(parts))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("real", "generated", "message"),
    [
        (
            noise(2, 0),
            noise(3, 0),
            r"real \(2, 16, 20, 3\) and generated \(3, 16, 20, 3\) differ in shape",
        ),
        (noise(2, 0)[0], noise(2, 0)[0], r"non-empty \(F, H, W, 3\) array, got \(16, 20, 3\)"),
        (noise(0, 0), noise(0, 0), r"non-empty .* array, got \(0, 16, 20, 3\)"),
        (noise(1, 0).astype(int), noise(1, 0), "expected uint8, or floats in .* got int64"),
    ],
    ids=["length", "one image", "no frame", "integers"],
)
def test_wrong_shapes_and_types_are_rejected(
    metric: Callable[..., float],
    real: NDArray[np.uint8],
    generated: NDArray[np.uint8],
    message: str,
) -> None:
    with pytest.raises(DataError, match=message):
        metric(real, generated)


def test_mean_over_the_frames_of_all_videos() -> None:
    random = np.random.default_rng(0)
    videos = [random.random(count) for count in (1, 7, 3)]
    ours = mean_over_frames([video.mean() for video in videos], [len(video) for video in videos])
    assert ours == pytest.approx(np.concatenate(videos).mean())
