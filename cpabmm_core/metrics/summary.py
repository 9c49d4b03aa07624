"""From the sums of videos to the figures of their set."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cpabmm_core.metrics.bootstrap import interval
from cpabmm_core.metrics.extractors.interface import ExtractorInfo
from cpabmm_core.metrics.results import MEASURES, Coverage, SetResult, VideoResult
from cpabmm_core.metrics.video_metric import Found, Tally, VideoSums

_OVER_FRAMES = ("l1", "akd", "mkr", "aed")
"""Measures whose mean is over all frames of all videos, as the field's scripts print them."""
_OVER_VIDEOS = {"l1_videos": "l1", "psnr": "psnr", "ssim": "ssim", "lpips": "lpips"}
"""Measures whose mean is over the means of the videos; each with the key of its tallies."""
EXTRACTOR_PARTS = ("keypoints", "identity", "lpips", "fid", "fvd")
_NOTHING = Tally(0.0, 0)


@dataclass(frozen=True)
class VideoRecord:
    """What was measured of one video, before means are taken; can be pickled."""

    name: str
    frames: int
    sums: VideoSums

    def result(self) -> VideoResult:
        """Its figures."""
        return VideoResult(
            name=self.name,
            frames=self.frames,
            values={key: _finite(tally.mean) for key, tally in self.sums.tallies.items()},
            coverage={
                part: Coverage(found.real / self.frames, found.generated / self.frames)
                for part, found in self.sums.found.items()
            },
        )


def joined(parts: Sequence[VideoSums]) -> VideoSums:
    """The sums of several measures of one video as one."""
    return VideoSums(
        {key: tally for part in parts for key, tally in part.tallies.items()},
        {key: found for part in parts for key, found in part.found.items()},
    )


def summarise(
    videos: Sequence[VideoRecord],
    of_set: Mapping[str, float | None],
    extractors: Mapping[str, ExtractorInfo],
) -> SetResult:
    """The figures of a set.

    Args:
        videos: its videos, of which there is one at least, in the order they are to be listed in.
        of_set: figures that are of the set as a whole, by key.
        extractors: what the figures were measured with, by the part it played.
    """
    values: dict[str, float | None] = {measure.key: None for measure in MEASURES}
    intervals: dict[str, tuple[float, float] | None] = {measure.key: None for measure in MEASURES}
    values.update({key: _finite(value) for key, value in of_set.items()})
    for key in (*_OVER_FRAMES, *_OVER_VIDEOS):
        tallies = _tallies(videos, key)
        counts = [tally.count for tally in tallies]
        totals = [tally.total for tally in tallies]
        values[key] = _finite(Tally(math.fsum(totals), sum(counts)).mean)
        intervals[key] = interval(totals, counts)
    return SetResult(
        values=values,
        intervals=intervals,
        coverage=_coverage(videos),
        extractors={
            part: extractors[part].as_dict() if part in extractors else None
            for part in EXTRACTOR_PARTS
        },
        videos=[video.result() for video in videos],
    )


def _tallies(videos: Sequence[VideoRecord], key: str) -> list[Tally]:
    """What the mean of a measure is taken over: sums over frames, or a mean of each video."""
    if key in _OVER_FRAMES:
        return [video.sums.tallies.get(key, _NOTHING) for video in videos]
    means = [video.sums.tallies.get(_OVER_VIDEOS[key], _NOTHING).mean for video in videos]
    return [_NOTHING if mean is None else Tally(mean, 1) for mean in means]


def _coverage(videos: Sequence[VideoRecord]) -> dict[str, Coverage]:
    frames = sum(video.frames for video in videos)
    found: dict[str, list[Found]] = {}
    for video in videos:
        for part, of_video in video.sums.found.items():
            found.setdefault(part, []).append(of_video)
    return {
        part: Coverage(
            sum(one.real for one in of_videos) / frames,
            sum(one.generated for one in of_videos) / frames,
        )
        for part, of_videos in found.items()
    }


def _finite(value: float | None) -> float | None:
    """JSON has no infinity: the PSNR of identical frames is None."""
    return value if value is not None and math.isfinite(value) else None
