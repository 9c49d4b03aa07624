"""Evaluation of videos during generation, one pair of frames at a time."""

import numpy as np

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import DataError
from cpabmm_core.metrics.evaluation import CHUNK_FRAMES, Evaluation
from cpabmm_core.metrics.results import SetResult
from cpabmm_core.metrics.summary import VideoRecord


class StreamingEvaluation:
    """Collect pairs of frames into chunks and evaluate them.

    Call `start_video` before the frames of each video, the object itself with each pair of frames,
    and `result` at the end.

    Args:
        evaluation: the metrics to compute.

    Example:
        >>> import numpy as np
        >>> from cpabmm_core.metrics import Evaluation, FrameQuality, StreamingEvaluation
        >>> streaming = StreamingEvaluation(Evaluation([FrameQuality()]))
        >>> streaming.start_video("clip")
        >>> for grey in (0, 255):
        ...     streaming(np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), grey, np.uint8))
        >>> streaming.result().values["l1"]
        0.5
    """

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self._name: str | None = None
        self._pending: list[tuple[Frame, Frame]] = []
        self._videos: list[VideoRecord] = []

    def start_video(self, name: str) -> None:
        """Finish the previous video, if any, and begin a new one.

        Raises:
            DataError: a metric is undefined for the last frames of the previous video.
        """
        self._end_video()
        self._name = name
        self._evaluation.start_video(name)

    def __call__(
        self,
        real: Frame,  # (H, W, 3)
        generated: Frame,  # (H, W, 3)
    ) -> None:
        """Add a pair of frames; all frames of a video have one size.

        Raises:
            DataError: a metric is undefined for the frames.
        """
        self._pending.append((real, generated))
        if len(self._pending) == CHUNK_FRAMES:
            self._flush()

    def result(self) -> SetResult:
        """Finish the last video and compute the values of all videos and of the set.

        Raises:
            DataError: a metric is undefined for the last frames.
        """
        self._end_video()
        return self._evaluation.result(self._videos, [self._evaluation.states()])

    def _end_video(self) -> None:
        if self._pending:
            self._flush()
        if self._name is not None:
            self._videos.append(self._evaluation.end_video())
            self._name = None

    def _flush(self) -> None:
        real, generated = (np.stack(frames) for frames in zip(*self._pending, strict=True))
        self._pending = []
        try:
            self._evaluation.update(real, generated)
        except DataError as error:
            raise DataError(f"{self._name}: {error}") from None
