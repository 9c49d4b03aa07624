"""L1, PSNR and SSIM of videos that arrive in chunks."""

import math

from cpabmm_core.metrics.image_quality import peak_signal_noise_ratio, structural_similarity
from cpabmm_core.metrics.pixel_error import l1
from cpabmm_core.metrics.video_metric import Frames, Tally, VideoSums


class FrameQuality:
    """Compute ``l1``, ``psnr`` and ``ssim`` of videos: a `VideoMetric`.

    Example:
        >>> import numpy as np
        >>> metric = FrameQuality()
        >>> metric.start_video("clip")
        >>> black = np.zeros((2, 16, 16, 3), np.uint8)
        >>> metric.update(black, black + np.uint8(255))
        >>> metric.compute().tallies["l1"].mean
        1.0
    """

    role = "frames"
    info = None

    def __init__(self) -> None:
        self._values: list[tuple[float, float, float]] = []

    def start_video(self, name: str) -> None:
        """Discard the previous video."""
        self._values = []

    def update(self, real: Frames, generated: Frames) -> None:
        """Add the next frames, both of shape (F, H, W, 3).

        Raises:
            DataError: the frames are too small for SSIM.
        """
        for one, other in zip(real, generated, strict=True):
            pair = one[None], other[None]
            self._values.append(
                (l1(*pair), peak_signal_noise_ratio(*pair), structural_similarity(*pair))
            )

    def compute(self) -> VideoSums:
        """Return the sums over the frames; the sum of PSNR is infinite if a frame is identical."""
        totals = [math.fsum(values) for values in zip(*self._values, strict=True)]
        count = len(self._values)
        keys = ("l1", "psnr", "ssim")
        return VideoSums(
            {key: Tally(total, count) for key, total in zip(keys, totals, strict=True)}
        )
