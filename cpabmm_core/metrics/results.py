"""What was measured: of a video, of a set, and by what; read from and written as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple


class Measure(NamedTuple):
    """One figure that a table can have."""

    key: str
    """Its name in JSON."""
    title: str
    """Its name in tables."""
    better: Literal["lower", "higher"]
    digits: int
    """Digits after the point, in tables."""
    unit: str = ""


MEASURES: tuple[Measure, ...] = (
    Measure("l1", "L1", "lower", 5),
    Measure("l1_videos", "L1 (videos)", "lower", 5),
    Measure("psnr", "PSNR", "higher", 3, "dB"),
    Measure("ssim", "SSIM", "higher", 5),
    Measure("akd", "AKD", "lower", 3, "px"),
    Measure("mkr", "MKR", "lower", 4),
    Measure("aed", "AED", "lower", 5),
    Measure("lpips", "LPIPS", "lower", 5),
    Measure("fid", "FID", "lower", 3),
    Measure("fvd", "FVD", "lower", 2),
)
"""In the order of a table's columns."""


@dataclass(frozen=True)
class Coverage:
    """Share of the frames in which an extractor found its subject, in [0, 1]."""

    real: float
    generated: float


@dataclass(frozen=True)
class VideoResult:
    """The figures of one video: means over its frames."""

    name: str
    frames: int
    values: Mapping[str, float | None]
    """By the key of the measure; None where nothing could be measured, or a PSNR is infinite."""
    coverage: Mapping[str, Coverage] = field(default_factory=dict)
    """By ``keypoints`` and ``identity``."""


@dataclass(frozen=True)
class SetResult:
    """The figures of a set of videos."""

    values: Mapping[str, float | None]
    """By the key of the measure, for all of `MEASURES`; None where it was left out."""
    intervals: Mapping[str, tuple[float, float] | None]
    """Bootstrap 95% intervals over the videos, for all of `MEASURES`; None where there is none."""
    coverage: Mapping[str, Coverage]
    extractors: Mapping[str, Mapping[str, Any] | None]
    """``ExtractorInfo.as_dict()`` by ``keypoints``, ``identity``, ``lpips``, ``fid`` and ``fvd``;
    None where left out."""
    videos: Sequence[VideoResult]
    """In natural order of their names."""

    def as_dict(self) -> dict[str, Any]:
        """The JSON document."""
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
