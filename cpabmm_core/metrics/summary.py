"""Reduction of the sums of videos to the metric values of their set."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cpabmm_core.metrics.bootstrap import confidence_interval
from cpabmm_core.metrics.extractors.interface import ExtractorInfo
from cpabmm_core.metrics.metric_info import METRICS
from cpabmm_core.metrics.results import Coverage, SetResult, VideoResult
from cpabmm_core.metrics.video_metric import Detections, Tally, VideoSums

_OVER_FRAMES = ("l1", "akd", "mkr", "aed")
"""Metrics averaged over all frames of all videos, as the field's scripts do."""
_OVER_VIDEOS = {"l1_videos": "l1", "psnr": "psnr", "ssim": "ssim", "lpips": "lpips"}
"""Metrics averaged over the means of the videos, with the key of their tallies."""
EXTRACTOR_ROLES = ("keypoints", "identity", "lpips", "fid", "fvd")
_EMPTY = Tally(0.0, 0)


@dataclass(frozen=True)
class VideoRecord:
    """The sums of all metrics over one video; can be pickled."""

    name: str
    frames: int
    sums: VideoSums

    def result(self) -> VideoResult:
        """Return the metric values of the video."""
        return VideoResult(
            name=self.name,
            frames=self.frames,
            values={key: _finite(tally.mean) for key, tally in self.sums.tallies.items()},
            coverage={
                role: Coverage(found.real / self.frames, found.generated / self.frames)
                for role, found in self.sums.detections.items()
            },
        )


def merge_sums(parts: Sequence[VideoSums]) -> VideoSums:
    """Merge the sums of several metrics over one video."""
    return VideoSums(
        {key: tally for part in parts for key, tally in part.tallies.items()},
        {role: found for part in parts for role, found in part.detections.items()},
    )


def summarise(
    videos: Sequence[VideoRecord],
    set_values: Mapping[str, float | None],
    extractors: Mapping[str, ExtractorInfo],
) -> SetResult:
    """Compute the metric values of a set.

    Args:
        videos: records of the videos, at least one, in the order in which to list them.
        set_values: values of the metrics of whole sets, by key.
        extractors: the extractors used, by role.
    """
    values: dict[str, float | None] = {metric.key: None for metric in METRICS}
    intervals: dict[str, tuple[float, float] | None] = {metric.key: None for metric in METRICS}
    values.update({key: _finite(value) for key, value in set_values.items()})
    for key in (*_OVER_FRAMES, *_OVER_VIDEOS):
        tallies = _tallies(videos, key)
        counts = [tally.count for tally in tallies]
        totals = [tally.total for tally in tallies]
        values[key] = _finite(Tally(math.fsum(totals), sum(counts)).mean)
        intervals[key] = confidence_interval(totals, counts)
    return SetResult(
        values=values,
        intervals=intervals,
        coverage=_coverage(videos),
        extractors={
            role: extractors[role].as_dict() if role in extractors else None
            for role in EXTRACTOR_ROLES
        },
        videos=[video.result() for video in videos],
    )


def _tallies(videos: Sequence[VideoRecord], key: str) -> list[Tally]:
    """Return one term of the mean of a metric per video: its sum over frames, or its mean."""
    if key in _OVER_FRAMES:
        return [video.sums.tallies.get(key, _EMPTY) for video in videos]
    means = [video.sums.tallies.get(_OVER_VIDEOS[key], _EMPTY).mean for video in videos]
    return [_EMPTY if mean is None else Tally(mean, 1) for mean in means]


def _coverage(videos: Sequence[VideoRecord]) -> dict[str, Coverage]:
    frames = sum(video.frames for video in videos)
    by_role: dict[str, list[Detections]] = {}
    for video in videos:
        for role, found in video.sums.detections.items():
            by_role.setdefault(role, []).append(found)
    return {
        role: Coverage(
            sum(found.real for found in per_video) / frames,
            sum(found.generated for found in per_video) / frames,
        )
        for role, per_video in by_role.items()
    }


def _finite(value: float | None) -> float | None:
    """Replace infinity, which JSON lacks, by None: for instance the PSNR of identical frames."""
    return value if value is not None and math.isfinite(value) else None
