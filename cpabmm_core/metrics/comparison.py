"""The figures of several runs side by side, and which of them are best."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from cpabmm_core.errors import DataError
from cpabmm_core.metrics.results import MEASURES, Measure

RESULT_FILE = "metrics.json"
"""What a folder of a run calls the document of ``metrics --json``."""
_LEFT_OUT = "l1_videos"
"""A second L1, which no table of the field has."""
_MEASURED_WITH = {"keypoints": "AKD, MKR", "identity": "AED", "lpips": "LPIPS", "fid": "FID"}
_MEASURED_WITH["fvd"] = "FVD"


@dataclass(frozen=True)
class Run:
    """What one run of ``metrics --json`` found."""

    method: str
    data: str
    """The data set; empty where runs are not told apart by it."""
    values: Mapping[str, float | None]
    extractors: Mapping[str, Any]
    videos: frozenset[tuple[str, int]]
    """Name and number of frames of each."""


class Column(NamedTuple):
    """A measure on a data set."""

    data: str
    measure: Measure


@dataclass(frozen=True)
class Comparison:
    """A table with a row for each method."""

    columns: Sequence[Column]
    methods: Sequence[str]
    values: Mapping[tuple[str, Column], float]
    """Where there is one."""
    best: frozenset[tuple[str, Column]]
    """The best of each column with two values or more; several if they are printed alike."""

    def text(self, method: str, column: Column) -> str:
        """A figure as it is printed; empty where there is none."""
        value = self.values.get((method, column))
        return "" if value is None else f"{value:.{column.measure.digits}f}"


def read_run(given: str) -> Run:
    """Read the document of ``metrics --json``.

    Args:
        given: ``FILE``, or ``FOLDER`` that holds ``metrics.json``, or ``LABEL=FILE``. The label is
            the name of the method, or ``METHOD/DATASET``; by default that of the file or folder.

    Raises:
        DataError: it is no such document.
    """
    label, path = _labelled(given)
    file = path / RESULT_FILE if path.is_dir() else path
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        values = {measure.key: _number(document.get(measure.key)) for measure in MEASURES}
        videos = frozenset((video["name"], video["frames"]) for video in document["videos"])
        extractors = dict(document.get("extractors", {}))
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}); check the path") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{file}: is not what `cpabmm metrics --json` prints") from None
    method, _, data = label.partition("/")
    return Run(method, data, values, extractors, videos)


def compare(runs: Sequence[Run]) -> Comparison:
    """Put runs into one table; methods and data sets come in the order of the runs.

    Raises:
        DataError: two runs have one name.
    """
    by_name = {(run.method, run.data): run for run in runs}
    if len(by_name) < len(runs):
        names = [(run.method, run.data) for run in runs]
        twice = next(name for name in names if names.count(name) > 1)
        label = "/".join(part for part in twice if part)
        raise DataError(f"{label}: two runs have this name; give each one as LABEL=FILE")
    columns = [
        Column(data, measure)
        for data in dict.fromkeys(run.data for run in runs)
        for measure in MEASURES
        if measure.key != _LEFT_OUT
        and any(run.data == data and run.values[measure.key] is not None for run in runs)
    ]
    values = {
        (run.method, column): value
        for run in runs
        for column in columns
        if run.data == column.data and (value := run.values[column.measure.key]) is not None
    }
    methods = list(dict.fromkeys(run.method for run in runs))
    best = frozenset(pair for column in columns for pair in _best(column, values))
    return Comparison(columns, methods, values, best)


def differences(runs: Sequence[Run]) -> list[str]:
    """What makes figures of one data set not comparable, one line each."""
    lines = []
    for data in dict.fromkeys(run.data for run in runs):
        first, *others = (run for run in runs if run.data == data)
        for other in others:
            names = f"{first.method} and {other.method}{f' on {data}' if data else ''}"
            lines += [
                f"{names}: {figures} measured with other extractors or weights; do not compare them"
                for part, figures in _MEASURED_WITH.items()
                if (one := first.extractors.get(part))
                and (two := other.extractors.get(part))
                and one != two
            ]
            if first.videos != other.videos:
                lines.append(f"{names}: measured on other videos, or on other numbers of frames")
    return lines


def _labelled(given: str) -> tuple[str, Path]:
    label, separator, path = given.partition("=")
    if separator and not Path(given).exists():
        return label, Path(path)
    return (Path(given).name if Path(given).is_dir() else Path(given).stem), Path(given)


def _number(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    raise ValueError


def _best(column: Column, values: Mapping[tuple[str, Column], float]) -> list[tuple[str, Column]]:
    printed = {
        pair: round(value, column.measure.digits)
        for pair, value in values.items()
        if pair[1] == column
    }
    if len(printed) < 2:
        return []
    wanted = (min if column.measure.better == "lower" else max)(printed.values())
    return [pair for pair, value in printed.items() if value == wanted]
