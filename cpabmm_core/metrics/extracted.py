"""Measures of what extractors find in frames, and of what was found by another program."""

from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.metrics.extractors.interface import ExtractorInfo
from cpabmm_core.metrics.video_metric import Frames, VideoSums

_Values = NDArray[np.float64]
"""(F, J, 2) keypoints or (F, D) embeddings."""


class FrameSums(Protocol):
    """Sums over the frames of one video: `KeypointSums`, `IdentitySums`."""

    def add(self, real: _Values, generated: _Values) -> None:
        """Take what was found in the next frames."""
        ...

    def compute(self) -> VideoSums:
        """The sums so far."""
        ...


class ValueTable(Protocol):
    """What another program found, for all videos of both sets."""

    @property
    def info(self) -> ExtractorInfo:
        """What it is."""
        ...

    def values(self, side: Literal["real", "generated"], name: str, frames: int) -> _Values:
        """That of a whole video of so many frames."""
        ...


class ExtractedMetric:
    """A `VideoMetric` of what an extractor finds."""

    def __init__(
        self,
        part: str,
        info: ExtractorInfo,
        find: Callable[[Frames], _Values],
        sums: Callable[[], FrameSums],
    ) -> None:
        """Keep the parts.

        Args:
            part: ``keypoints`` or ``identity``.
            info: the extractor.
            find: finds it in frames.
            sums: new sums for each video.
        """
        self.part = part
        self.info = info
        self._find = find
        self._new_sums = sums
        self._sums = sums()

    def start_video(self, name: str) -> None:
        """Forget the last video."""
        self._sums = self._new_sums()

    def update(self, real: Frames, generated: Frames) -> None:
        """Take the next frames of the video.

        Raises:
            ShapeError: the extractor found other numbers in real than in generated frames.
        """
        self._sums.add(self._find(real), self._find(generated))

    def compute(self) -> VideoSums:
        """The sums over the frames since `start_video`."""
        return self._sums.compute()


class PrecomputedMetric:
    """A `VideoMetric` of what stands in a file; frames are only counted."""

    def __init__(self, part: str, table: ValueTable, sums: Callable[[], FrameSums]) -> None:
        self.part = part
        self.info = table.info
        self._table = table
        self._new_sums = sums
        self._name, self._frames = "", 0

    def start_video(self, name: str) -> None:
        """Forget the last video."""
        self._name, self._frames = name, 0

    def update(self, real: Frames, generated: Frames) -> None:
        """Count the next frames of the video."""
        self._frames += len(real)

    def compute(self) -> VideoSums:
        """The sums over the frames since `start_video`.

        Raises:
            DataError: the table lacks the video, or has another number of frames for it.
        """
        sums = self._new_sums()
        sums.add(
            self._table.values("real", self._name, self._frames),
            self._table.values("generated", self._name, self._frames),
        )
        return sums.compute()
