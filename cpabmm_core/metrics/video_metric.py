"""Protocols of metrics that receive videos in chunks and keep sums."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.metrics.extractors.interface import ExtractorInfo

Frames = NDArray[np.uint8]
"""Consecutive frames of a video: (F, H, W, 3) RGB."""


@dataclass(frozen=True)
class Tally:
    """The sum and the number of a metric's values over the frames of a video."""

    total: float
    count: int

    @property
    def mean(self) -> float | None:
        """The mean, or None for a count of 0."""
        return self.total / self.count if self.count else None


@dataclass(frozen=True)
class Detections:
    """Number of frames of a video in which an extractor found its subject."""

    real: int
    generated: int


@dataclass(frozen=True)
class VideoSums:
    """The sums of a metric over one video."""

    tallies: Mapping[str, Tally]
    """Tallies by the key of the metric."""
    detections: Mapping[str, Detections] = field(default_factory=dict)
    """Detections by the role of the extractor: ``keypoints`` or ``identity``."""


class FrameMetric(Protocol):
    """The common part of `VideoMetric` and `SetMetric`: both receive one video after another."""

    @property
    def role(self) -> str:
        """The key of `info` in a result: ``keypoints``, ``identity``, ``lpips``, ``fid``, ``fvd``.

        ``frames`` for metrics without an extractor.
        """
        ...

    @property
    def info(self) -> ExtractorInfo | None:
        """The description of the metric's network; None for metrics without one."""
        ...

    def start_video(self, name: str) -> None:
        """Begin a new video."""
        ...

    def update(self, real: Frames, generated: Frames) -> None:
        """Add the next frames of the video, both of shape (F, H, W, 3).

        Raises:
            DataError: the metric is undefined for these frames.
        """
        ...


class VideoMetric(FrameMetric, Protocol):
    """A metric of single videos; its value for a set is a mean over frames or videos.

    The sums of a video do not depend on earlier videos, so processes can share a set.
    """

    def compute(self) -> VideoSums:
        """Return the sums over the frames since `start_video`."""
        ...


class SetMetric(FrameMetric, Protocol):
    """A metric of a whole set, such as FID. It keeps sums, never the frames of the set."""

    def state(self) -> object:
        """Return what `merge` needs from the videos so far; the object can be pickled."""
        ...

    def merge(self, states: Sequence[Any]) -> None:
        """Replace the state by the sum of `states`, one per process, in the order of processes."""
        ...

    def compute(self) -> float | None:
        """Return the value for all videos of the state.

        Returns:
            None, after a status message, if the set is too small.
        """
        ...
