"""Measuring videos while they are made: one real and one generated frame at a time."""

import numpy as np

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import DataError
from cpabmm_core.metrics.measurement import FRAMES_AT_ONCE, Measurement
from cpabmm_core.metrics.results import SetResult
from cpabmm_core.metrics.summary import VideoRecord


class FrameByFrame:
    """Collects pairs of frames and measures them a few at a time.

    Call `start_video` before the frames of each video, this object with each pair, and `result` at
    the end.
    """

    def __init__(self, measurement: Measurement) -> None:
        self._measurement = measurement
        self._name: str | None = None
        self._waiting: list[tuple[Frame, Frame]] = []
        self._videos: list[VideoRecord] = []

    def start_video(self, name: str) -> None:
        """The frames of this video follow; the one before is at its end.

        Raises:
            DataError: the last frames of the one before cannot be measured.
        """
        self._end_video()
        self._name = name
        self._measurement.start_video(name)

    def __call__(
        self,
        real: Frame,  # (H, W, 3)
        generated: Frame,  # (H, W, 3)
    ) -> None:
        """Take the next frames; all of a video are of one size.

        Raises:
            DataError: they cannot be measured.
        """
        self._waiting.append((real, generated))
        if len(self._waiting) == FRAMES_AT_ONCE:
            self._measure()

    def result(self) -> SetResult:
        """The figures of all videos, of which there is one at least; the last is at its end.

        Raises:
            DataError: the last frames cannot be measured, or are too few for a measure.
        """
        self._end_video()
        return self._measurement.result(self._videos, [self._measurement.states()])

    def _end_video(self) -> None:
        if self._waiting:
            self._measure()
        if self._name is not None:
            self._videos.append(self._measurement.end_video())
            self._name = None

    def _measure(self) -> None:
        real, generated = (np.stack(frames) for frames in zip(*self._waiting, strict=True))
        self._waiting = []
        try:
            self._measurement.update(real, generated)
        except DataError as error:
            raise DataError(f"{self._name}: {error}") from None
