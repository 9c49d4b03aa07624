"""What a report needs of a run: small enough to be kept next to the page."""

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ablation.intervals import Table
from ablation.store import RESULTS, Key, key_of, read_lines

from cpabmm_core.errors import DataError

STATIC = "static_"
"""Before the name of a metric: its value for the first frame, repeated."""
_DIGITS = 5
_FACTS = (
    "steps",
    "processor_seconds_per_step",
    "parameters",
    "groups_in_use",
    "gradient_candidates",
    "gradient_heatmaps",
    "commit",
    "machine",
)
_COMPUTED = ("background", "validation")
"""Facts that are computed from a result: the share of the background candidate where the frame
moves, and the errors in validation."""


@dataclass(frozen=True)
class Record:
    """The scores of one run."""

    key: Key
    facts: Mapping[str, Any]
    """Single numbers and words about the run."""
    videos: tuple[str, ...]
    """Names of the videos."""
    sums: Mapping[str, Sequence[tuple[float, float]]]
    """For each metric the sum and the number of terms of each video."""

    def as_line(self) -> str:
        """Return a line of JSON. A count is left out where it is the number of frames."""
        frames = [count for _, count in self.sums["l1"]]
        sums: dict[str, Any] = {"frames": frames}
        for name, pairs in self.sums.items():
            totals, counts = zip(*pairs, strict=True)
            sums[name] = list(totals)
            if list(counts) != frames:
                sums[f"{name}_count"] = list(counts)
        fields = {"set": self.key.data_set, "row": self.key.row, "seed": self.key.seed}
        return json.dumps({**fields, **self.facts, "videos": self.videos, "sums": sums})

    @classmethod
    def from_line(cls, values: Mapping[str, Any]) -> "Record":
        """Read what `as_line` wrote."""
        sums = values["sums"]
        names = [name for name in sums if name != "frames" and not name.endswith("_count")]
        pairs = {
            name: tuple(zip(sums[name], sums.get(f"{name}_count", sums["frames"]), strict=True))
            for name in names
        }
        facts = {name: values[name] for name in (*_FACTS, *_COMPUTED) if name in values}
        key = Key(values["set"], values["row"], values["seed"])
        return cls(key, facts, tuple(values["videos"]), pairs)

    @classmethod
    def from_result(cls, values: Mapping[str, Any]) -> "Record":
        """Read a line of results, and round its numbers."""
        videos = values["videos"]
        names = {name: None for video in videos for name in video["sums"]}
        pairs = {
            name: tuple(
                (rounded(total), count)
                for total, count in (video["sums"].get(name, (0.0, 0)) for video in videos)
            )
            for name in names
        }
        facts = {name: rounded(values[name]) for name in _FACTS if name in values}
        if sum(values.get("use", ())) > 0:
            facts["background"] = round(values["use"][0] / sum(values["use"]), 3)
        if values.get("validation"):
            facts["validation"] = _validation(values["validation"])
        if isinstance(facts.get("machine"), Mapping):
            facts["machine"] = _machine(facts["machine"], values.get("gpu"))
        key = Key(values["set"], values["row"], values["seed"])
        return cls(key, facts, tuple(video["name"] for video in videos), pairs)


def read_records(*paths: Path) -> list[Record]:
    """Read the runs of ablations' folders and of files of records.

    Args:
        paths: folders and files; if several have the same run, the last one counts.

    Raises:
        DataError: one of them has none.
    """
    found: dict[Key, Record] = {}
    for path in paths:
        records = _read_records(path)
        if not records:
            raise DataError(f"{path}: has no results; give the folder of an ablation with some")
        found |= {record.key: record for record in records}
    return list(found.values())


def _read_records(path: Path) -> list[Record]:
    if path.is_dir():
        lines = {key_of(line): line for line in read_lines(path / RESULTS)}
        return [Record.from_result(line) for line in lines.values()]
    return [Record.from_line(line) for line in read_lines(path)]


def table_of(records: Sequence[Record], metric: str, per: str | None = None) -> Table | None:
    """Return the terms of a metric over seeds and videos.

    Args:
        records: runs of one row with the same videos, one per seed.
        metric: the metric.
        per: metric whose sum replaces the number of terms; for a ratio of two metrics.

    Returns:
        The table, or None if no run has the metric.
    """
    if any(metric not in record.sums for record in records):
        return None
    terms = np.array([record.sums[metric] for record in records], np.float64)  # (S, V, 2)
    if per is None:
        return Table(terms[..., 0], terms[..., 1])
    others = np.array([record.sums[per] for record in records], np.float64)
    return Table(terms[..., 0], others[..., 0])


def median_fact(records: Iterable[Record], name: str) -> float | None:
    """Return the median of a fact over runs, or None if none has it."""
    values = [v for r in records if (v := r.facts.get(name)) is not None]
    return statistics.median(values) if values else None


def rounded(value: Any) -> Any:  # noqa: ANN401
    """Round a float to five digits, and return anything else as it is.

    Example:
        >>> rounded(0.123456789), rounded(3), rounded(None)
        (0.12346, 3, None)
    """
    if not isinstance(value, float) or not value or not math.isfinite(value):
        return value
    return float(f"{value:.{_DIGITS}g}")


def _validation(lines: Iterable[Mapping[str, Any]]) -> list[list[float]]:
    """Return the steps of the validations, and the L1 error relative to the static baseline."""
    return [[line["step"], round(line["l1"] / line["standing_still"], 3)] for line in lines]


def _machine(values: Mapping[str, Any], gpu: str | None) -> str:
    packages = ", ".join(f"{name} {number}" for name, number in values["packages"].items())
    threads = values["threads"]
    processor = values["cpu"] if gpu is None else f"{gpu} and {values['cpu']}"
    return (
        f"{processor}, {threads} thread{'s' * (threads > 1)}, {values['instruction_set']}; "
        f"{values['system']}; Python {values['python']}, {packages}; {values['date']}"
    )
