"""The figures of a set in lines of text."""

import math
from collections.abc import Iterator, Mapping, Sequence

from cpabmm_core.metrics.results import MEASURES, SetResult

_OF_VIDEO = ("l1", "psnr", "ssim", "akd", "mkr", "aed", "lpips")
_OVER_VIDEOS = ("l1_videos", "psnr", "ssim", "lpips")
_OVER_FRAMES = ("l1", "akd", "mkr", "aed")
_OF_SET = ("fid", "fvd")
_DIGITS = {measure.key: measure.digits for measure in MEASURES}


def measured_lines(result: SetResult) -> Iterator[str]:
    """A line for each video, then those of the set, with 95% intervals in brackets."""
    for video in result.videos:
        yield f"{video.name}  {_figures(video.values, _OF_VIDEO, {})}"
    frames = sum(video.frames for video in result.videos)
    groups = {
        f"mean of {len(result.videos)} videos": _OVER_VIDEOS,
        f"mean of {frames} frames": _OVER_FRAMES,
        "of the set": _OF_SET,
    }
    for title, keys in groups.items():
        figures = _figures(result.values, keys, result.intervals)
        if figures:
            yield f"{title}  {figures}"
    for part, share in result.coverage.items():
        yield f"frames with {part}  {share.real:.1%} of real, {share.generated:.1%} of generated"


def _figures(
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
        of, digits = key.removesuffix("_videos"), _DIGITS[key]
        brackets = f" [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]" if interval else ""
        texts.append(f"{of} {value:.{digits}f}{brackets}")
    return "  ".join(texts)


def _value(key: str, values: Mapping[str, float | None]) -> float | None:
    """A PSNR that is None is that of identical frames."""
    return math.inf if key == "psnr" and values[key] is None else values.get(key)
