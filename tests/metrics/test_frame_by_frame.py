import numpy as np
import pytest
from numpy.typing import NDArray

from cpabmm_core.errors import DataError
from cpabmm_core.metrics import l1, peak_signal_noise_ratio, structural_similarity
from cpabmm_core.metrics.frame_by_frame import FrameByFrame
from cpabmm_core.metrics.frame_quality import FrameQuality
from cpabmm_core.metrics.measurement import FRAMES_AT_ONCE, Measurement


def noise(seed: int, frames: int, side: int = 16) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (frames, side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize("frames", [1, FRAMES_AT_ONCE, 2 * FRAMES_AT_ONCE + 3])
def test_figures_are_those_of_whole_videos(frames: int) -> None:
    watch = FrameByFrame(Measurement([FrameQuality()]))
    sets = {"a": (noise(0, frames), noise(1, frames)), "b": (noise(2, 2), noise(3, 2))}
    for name, stacks in sets.items():
        watch.start_video(name)
        for pair in zip(*stacks, strict=True):
            watch(*pair)
    found = watch.result()
    assert [(video.name, video.frames) for video in found.videos] == [("a", frames), ("b", 2)]
    for video, stacks in zip(found.videos, sets.values(), strict=True):
        assert video.values["l1"] == pytest.approx(l1(*stacks))
        assert video.values["psnr"] == pytest.approx(peak_signal_noise_ratio(*stacks))
        assert video.values["ssim"] == pytest.approx(structural_similarity(*stacks))
    every_frame = [np.concatenate(stacks) for stacks in zip(*sets.values(), strict=True)]
    assert found.values["l1"] == pytest.approx(l1(*every_frame))


def test_frames_are_not_gathered_without_end() -> None:
    sizes: list[int] = []

    class Counting(FrameQuality):
        def update(self, real: NDArray[np.uint8], generated: NDArray[np.uint8]) -> None:
            sizes.append(len(real))
            super().update(real, generated)

    watch = FrameByFrame(Measurement([Counting()]))
    watch.start_video("a")
    for frame in noise(0, 2 * FRAMES_AT_ONCE + 1):
        watch(frame, frame)
    assert sizes == [FRAMES_AT_ONCE] * 2
    watch.result()
    assert sizes == [FRAMES_AT_ONCE, FRAMES_AT_ONCE, 1]


def test_frames_that_cannot_be_measured_are_named() -> None:
    watch = FrameByFrame(Measurement([FrameQuality()]))
    watch.start_video("tiny")
    watch(noise(0, 1, 8)[0], noise(1, 1, 8)[0])
    with pytest.raises(DataError, match=r"^tiny: .*too small for SSIM"):
        watch.result()
