"""What a measure of videos is: something that sees them in parts and keeps sums."""

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
    """A sum over those frames of a video of which a figure could be taken, and their number."""

    total: float
    count: int

    @property
    def mean(self) -> float | None:
        """The mean; None of no frame."""
        return self.total / self.count if self.count else None


@dataclass(frozen=True)
class Found:
    """In how many frames of a video an extractor found its subject."""

    real: int
    generated: int


@dataclass(frozen=True)
class VideoSums:
    """What a measure knows of one video at its end."""

    tallies: Mapping[str, Tally]
    """By the key of the measure."""
    found: Mapping[str, Found] = field(default_factory=dict)
    """By the part that the extractor plays: ``keypoints``, ``identity``."""


class FrameMetric(Protocol):
    """Takes the frames of one video after another; common to both kinds."""

    @property
    def part(self) -> str:
        """Name of its `info` in a result: ``keypoints``, ``identity``, ``lpips``, ``fid``."""
        ...

    @property
    def info(self) -> ExtractorInfo | None:
        """What it measures with; None if there is nothing to tell."""
        ...

    def start_video(self, name: str) -> None:
        """The frames of this video follow."""
        ...

    def update(self, real: Frames, generated: Frames) -> None:
        """Take the next frames of the video, of one shape (F, H, W, 3).

        Raises:
            DataError: they cannot be measured.
        """
        ...


class VideoMetric(FrameMetric, Protocol):
    """Measures each video on its own; the figure of a set is a mean of theirs.

    The sums of a video do not depend on which videos came before, so that processes may share a
    set.
    """

    def compute(self) -> VideoSums:
        """The sums over the frames since `start_video`."""
        ...


class SetMetric(FrameMetric, Protocol):
    """Measures a whole set at once, such as FID; keeps sums, never frames of the set."""

    def state(self) -> object:
        """All that `merge` needs of the videos seen so far; can be pickled."""
        ...

    def merge(self, states: Sequence[Any]) -> None:
        """Replace the own state by these together: one of each process, in their order."""
        ...

    def compute(self) -> float | None:
        """The figure of all videos of the state; None, after a line that says so, of too few."""
        ...
