"""Cutting small published data sets in tests."""

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from _helpers.media_files import number_of

from cpabmm_core.data.preprocess.boxes import Box
from cpabmm_core.data.preprocess.clip_writer import ClipFormat
from cpabmm_core.data.preprocess.published.cut_set import CutSummary, cut_set
from cpabmm_core.data.preprocess.published.find_videos import Fetch
from cpabmm_core.data.preprocess.published.table import TableRow
from cpabmm_core.data.preprocess.shard import Shard
from cpabmm_core.media.clips import open_clip

WHOLE = Box(0, 0, 64, 48)


def row(
    video: str, start: int, end: int, *, rate: str = "25", box: Box = WHOLE, name: str = ""
) -> TableRow:
    """Return a row of a table for videos of 64 x 48 pixels."""
    name = name or f"{video}#{start:06d}#{end:06d}"
    return TableRow(2, video, name, "train", start, end, Fraction(rate), box, 64, 48)


def cut(
    rows: Sequence[TableRow],
    folder: Path,
    *,
    size: int = 64,
    file_format: ClipFormat = "mp4",
    shard: Shard | None = None,
    fetch: Fetch | None = None,
    reports: list[str] | None = None,
) -> CutSummary:
    """Cut clips out of the videos in ``folder/videos`` into ``folder/set``."""
    return cut_set(
        rows,
        folder / "videos",
        folder / "set",
        size=size,
        file_format=file_format,
        shard=shard,
        fetch=fetch,
        report=lambda problem: None if reports is None else reports.append(str(problem)),
    )


def numbers(clip: Path) -> list[int]:
    """Return the numbers of the frames of a clip."""
    opened = open_clip(clip)
    return [number_of(image) for image in opened.read(range(len(opened)))]


def records(folder: Path, name: str = "manifest") -> list[dict[str, Any]]:
    """Read the records of a manifest."""
    lines = (folder / "set" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
