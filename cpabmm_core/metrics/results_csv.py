"""The figures of a set as a table that spreadsheets open."""

import csv
from collections.abc import Mapping
from pathlib import Path

from cpabmm_core.files.output import atomic_path
from cpabmm_core.metrics.results import MEASURES, Coverage, SetResult

SET_ROW = "(all)"
"""Name of the last row, that of the set."""
_PARTS = ("keypoints", "identity")


def write_csv(path: Path, result: SetResult, *, force: bool) -> None:
    """Write a row for each video and a last one for the set; a figure that is None stays empty.

    Raises:
        OutputExistsError: the file exists and `force` is not set.
        MediaError: it cannot be written.
        ResourceError: the disk is full.
    """
    keys = [measure.key for measure in MEASURES]
    coverage = [f"{part}_{side}" for part in _PARTS for side in ("real", "generated")]
    with (
        atomic_path(path, force=force) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
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
        f"{part}_{side}": share
        for part, of_part in coverage.items()
        for side, share in vars(of_part).items()
    }
    return {"name": name, "frames": frames, **values, **shares}
