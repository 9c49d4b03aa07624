import numpy as np
import pytest
from numpy.typing import NDArray

from cpabmm_core.errors import DataError
from cpabmm_core.metrics import l1, peak_signal_noise_ratio, structural_similarity
from cpabmm_core.metrics.evaluation import CHUNK_FRAMES, Evaluation
from cpabmm_core.metrics.frame_quality import FrameQuality
from cpabmm_core.metrics.streaming import StreamingEvaluation


def noise(seed: int, frames: int, side: int = 16) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (frames, side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize("frames", [1, CHUNK_FRAMES, 2 * CHUNK_FRAMES + 3])
def test_values_agree_with_those_of_whole_videos(frames: int) -> None:
    streaming = StreamingEvaluation(Evaluation([FrameQuality()]))
    sets = {"a": (noise(0, frames), noise(1, frames)), "b": (noise(2, 2), noise(3, 2))}
    for name, stacks in sets.items():
        streaming.start_video(name)
        for pair in zip(*stacks, strict=True):
            streaming(*pair)
    result = streaming.result()
    assert [(video.name, video.frames) for video in result.videos] == [("a", frames), ("b", 2)]
    for video, stacks in zip(result.videos, sets.values(), strict=True):
        assert video.values["l1"] == pytest.approx(l1(*stacks))
        assert video.values["psnr"] == pytest.approx(peak_signal_noise_ratio(*stacks))
        assert video.values["ssim"] == pytest.approx(structural_similarity(*stacks))
    all_frames = [np.concatenate(stacks) for stacks in zip(*sets.values(), strict=True)]
    assert result.values["l1"] == pytest.approx(l1(*all_frames))


def test_frames_are_evaluated_in_chunks() -> None:
    sizes: list[int] = []

    class Counting(FrameQuality):
        def update(self, real: NDArray[np.uint8], generated: NDArray[np.uint8]) -> None:
            sizes.append(len(real))
            super().update(real, generated)

    streaming = StreamingEvaluation(Evaluation([Counting()]))
    streaming.start_video("a")
    for frame in noise(0, 2 * CHUNK_FRAMES + 1):
        streaming(frame, frame)
    assert sizes == [CHUNK_FRAMES] * 2
    streaming.result()
    assert sizes == [CHUNK_FRAMES, CHUNK_FRAMES, 1]


def test_errors_name_the_video() -> None:
    streaming = StreamingEvaluation(Evaluation([FrameQuality()]))
    streaming.start_video("tiny")
    streaming(noise(0, 1, 8)[0], noise(1, 1, 8)[0])
    with pytest.raises(DataError, match=r"^tiny: .*too small for SSIM"):
        streaming.result()
