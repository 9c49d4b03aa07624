"""Metric values of videos and of whole sets, and their JSON document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Coverage:
    """Shares of the frames in which an extractor found its subject, in [0, 1].

    Example:
        >>> Coverage(real=1.0, generated=0.5).generated
        0.5
    """

    real: float
    generated: float


@dataclass(frozen=True)
class VideoResult:
    """The metric values of one video: means over its frames.

    Example:
        >>> VideoResult("clip", 25, {"l1": 0.04, "psnr": None}).values["l1"]
        0.04
    """

    name: str
    """File name without suffix."""
    frames: int
    """Number of frames."""
    values: Mapping[str, float | None]
    """Values by the key of the metric; None where no value exists or a PSNR is infinite."""
    coverage: Mapping[str, Coverage] = field(default_factory=dict)
    """Coverage of the extractors of ``keypoints`` and ``identity``."""


@dataclass(frozen=True)
class SetResult:
    """The metric values of a set of videos."""

    values: Mapping[str, float | None]
    """Values by the key of each of `METRICS`; None for a metric that was not computed."""
    intervals: Mapping[str, tuple[float, float] | None]
    """Bootstrap 95% intervals over the videos, by the same keys; None where undefined."""
    coverage: Mapping[str, Coverage]
    """Coverage over all frames, of the extractors of ``keypoints`` and ``identity``."""
    extractors: Mapping[str, Mapping[str, Any] | None]
    """``ExtractorInfo.as_dict()`` by ``keypoints``, ``identity``, ``lpips``, ``fid`` and ``fvd``;
    None for those not used."""
    videos: Sequence[VideoResult]
    """Results of the videos, in natural order of their names."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON document.

        Returns:
            The values by key, then ``intervals``, ``coverage``, ``extractors`` and ``videos``.

        Example:
            >>> video = VideoResult("clip", 2, {"l1": 0.25})
            >>> result = SetResult({"l1": 0.25}, {"l1": None}, {}, {}, [video])
            >>> result.as_dict()["videos"]
            [{'name': 'clip', 'frames': 2, 'l1': 0.25, 'coverage': {}}]
        """
        return {
            **self.values,
            "intervals": {
                key: None if interval is None else list(interval)
                for key, interval in self.intervals.items()
            },
            "coverage": {key: vars(value) for key, value in self.coverage.items()},
            "extractors": dict(self.extractors),
            "videos": [
                {
                    "name": video.name,
                    "frames": video.frames,
                    **video.values,
                    "coverage": {key: vars(value) for key, value in video.coverage.items()},
                }
                for video in self.videos
            ],
        }
