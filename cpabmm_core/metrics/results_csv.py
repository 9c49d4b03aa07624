"""Export of metric values to CSV."""

import csv
from collections.abc import Mapping
from pathlib import Path

from cpabmm_core.files.output import atomic_path
from cpabmm_core.metrics.metric_info import METRICS
from cpabmm_core.metrics.results import Coverage, SetResult

SET_ROW = "(all)"
"""Name of the last row, which holds the values of the set."""
_EXTRACTORS = ("keypoints", "identity")


def write_csv(path: Path, result: SetResult, *, force: bool = False) -> None:
    """Write one row per video and a last row, ``(all)``, for the set.

    The columns are ``name``, ``frames``, the keys of `METRICS` and the coverage of the extractors.
    Missing values are empty cells.

    Args:
        path: the file to write.
        result: the values.
        force: whether to replace an existing file.

    Raises:
        OutputExistsError: the file exists and `force` is not set.
        MediaError: the file cannot be written.
        ResourceError: the disk is full.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from cpabmm_core.metrics import SetResult, VideoResult
        >>> result = SetResult({"l1": 0.25}, {}, {}, {}, [VideoResult("clip", 2, {"l1": 0.25})])
        >>> with TemporaryDirectory() as folder:
        ...     write_csv(Path(folder, "values.csv"), result)
        ...     [line[:14] for line in Path(folder, "values.csv").read_text().splitlines()]
        ['name,frames,l1', 'clip,2,0.25,,,', '(all),2,0.25,,']
    """
    keys = [metric.key for metric in METRICS]
    coverage = [f"{name}_{videos}" for name in _EXTRACTORS for videos in ("real", "generated")]
    with (
        atomic_path(path, force=force) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        table = csv.DictWriter(file, ["name", "frames", *keys, *coverage], restval="")
        table.writeheader()
        for video in result.videos:
            table.writerow(_row(video.name, video.frames, video.values, video.coverage))
        frames = sum(video.frames for video in result.videos)
        table.writerow(_row(SET_ROW, frames, result.values, result.coverage))


def _row(
    name: str,
    frames: int,
    values: Mapping[str, float | None],
    coverage: Mapping[str, Coverage],
) -> dict[str, object]:
    shares = {
        f"{extractor}_{videos}": share
        for extractor, found in coverage.items()
        for videos, share in vars(found).items()
    }
    return {"name": name, "frames": frames, **values, **shares}
