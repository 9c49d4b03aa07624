"""Metric values as lines of text."""

import math
from collections.abc import Iterator, Mapping, Sequence

from cpabmm_core.metrics.metric_info import METRICS
from cpabmm_core.metrics.results import SetResult

_PER_VIDEO = ("l1", "psnr", "ssim", "akd", "mkr", "aed", "lpips")
_OVER_VIDEOS = ("l1_videos", "psnr", "ssim", "lpips")
_OVER_FRAMES = ("l1", "akd", "mkr", "aed")
_WHOLE_SET = ("fid", "fvd")
_DIGITS = {metric.key: metric.digits for metric in METRICS}


def metric_lines(result: SetResult) -> Iterator[str]:
    """Yield a line per video, then the lines of the set, with 95% intervals in brackets."""
    for video in result.videos:
        yield f"{video.name}  {_format_values(video.values, _PER_VIDEO, {})}"
    frames = sum(video.frames for video in result.videos)
    groups = {
        f"mean of {count_of(len(result.videos), 'video')}": _OVER_VIDEOS,
        f"mean of {count_of(frames, 'frame')}": _OVER_FRAMES,
        "whole set": _WHOLE_SET,
    }
    for title, keys in groups.items():
        values = _format_values(result.values, keys, result.intervals)
        if values:
            yield f"{title}  {values}"
    for role, share in result.coverage.items():
        yield f"frames with {role}  {share.real:.1%} of real, {share.generated:.1%} of generated"


def count_of(count: int, noun: str) -> str:
    """Return a number with its noun, which is in the plural unless the number is 1.

    Example:
        >>> count_of(1, "video"), count_of(2, "video")
        ('1 video', '2 videos')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _format_values(
    values: Mapping[str, float | None],
    keys: Sequence[str],
    intervals: Mapping[str, tuple[float, float] | None],
) -> str:
    texts = []
    for key in keys:
        value = _value(key, values)
        if value is None:
            continue
        interval = intervals.get(key)
        name, digits = key.removesuffix("_videos"), _DIGITS[key]
        brackets = f" [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]" if interval else ""
        texts.append(f"{name} {value:.{digits}f}{brackets}")
    return "  ".join(texts)


def _value(key: str, values: Mapping[str, float | None]) -> float | None:
    """Return a value; None for PSNR stands for infinity, the value of identical frames."""
    return math.inf if key == "psnr" and values[key] is None else values.get(key)
