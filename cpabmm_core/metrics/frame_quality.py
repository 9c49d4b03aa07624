"""L1, PSNR and SSIM of videos that come in parts."""

import math

from cpabmm_core.metrics.image_quality import peak_signal_noise_ratio, structural_similarity
from cpabmm_core.metrics.l1 import l1
from cpabmm_core.metrics.video_metric import Frames, Tally, VideoSums


class FrameQuality:
    """A `VideoMetric` of ``l1``, ``psnr`` and ``ssim``, with the functions of these names."""

    part = "frames"
    info = None

    def __init__(self) -> None:
        self._values: list[tuple[float, float, float]] = []

    def start_video(self, name: str) -> None:
        """Forget the last video."""
        self._values = []

    def update(self, real: Frames, generated: Frames) -> None:
        """Take the next frames, of one shape (F, H, W, 3).

        Raises:
            DataError: they are too small for SSIM.
        """
        for one, other in zip(real, generated, strict=True):
            pair = one[None], other[None]
            self._values.append(
                (l1(*pair), peak_signal_noise_ratio(*pair), structural_similarity(*pair))
            )

    def compute(self) -> VideoSums:
        """The sums over the frames; that of PSNR is infinite if a frame is identical."""
        totals = [math.fsum(values) for values in zip(*self._values, strict=True)]
        count = len(self._values)
        keys = ("l1", "psnr", "ssim")
        return VideoSums(
            {key: Tally(total, count) for key, total in zip(keys, totals, strict=True)}
        )
