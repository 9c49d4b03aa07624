"""Comparison of several runs in one table, with the best values marked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from cpabmm_core.errors import DataError
from cpabmm_core.files.checks import one_line
from cpabmm_core.files.json_text import read_json
from cpabmm_core.metrics.metric_info import METRICS, MetricInfo

RESULT_FILE = "metrics.json"
"""Name of the metrics document in the folder of a run."""
_OMITTED = "l1_videos"
"""Key of the second L1, which is not in the tables of the field."""
_METRICS_OF = {
    "keypoints": "AKD and MKR",
    "identity": "AED",
    "lpips": "LPIPS",
    "fid": "FID",
    "fvd": "FVD",
}


@dataclass(frozen=True)
class Run:
    """The metrics document of one method on one data set.

    Example:
        >>> run = Run("ours", "vox", {"l1": 0.04}, {}, frozenset({("clip", 25)}))
        >>> run.values["l1"]
        0.04
    """

    method: str
    """Name of the method."""
    data: str
    """Name of the data set; empty if the label has none."""
    values: Mapping[str, float | None]
    """Values of the set by the key of each of `METRICS`."""
    extractors: Mapping[str, Any]
    """The extractors used, by role."""
    videos: frozenset[tuple[str, int]]
    """Name and number of frames of each video."""


class Column(NamedTuple):
    """A metric on a data set."""

    data: str
    metric: MetricInfo


@dataclass(frozen=True)
class Comparison:
    """A table with one row per method.

    Example:
        >>> from cpabmm_core.metrics import METRICS, Run, compare_runs
        >>> values = dict.fromkeys([metric.key for metric in METRICS])
        >>> table = compare_runs([Run("ours", "", {**values, "l1": 0.25}, {}, frozenset())])
        >>> table.text("ours", table.columns[0])
        '0.25000'
    """

    columns: Sequence[Column]
    """The columns, grouped by data set."""
    methods: Sequence[str]
    """The rows."""
    values: Mapping[tuple[str, Column], float]
    """The cells that have a value."""
    best: frozenset[tuple[str, Column]]
    """The best cells of each column with two or more values; several if equal when printed."""

    def text(self, method: str, column: Column) -> str:
        """Return a cell as printed, or an empty string."""
        value = self.values.get((method, column))
        return "" if value is None else f"{value:.{column.metric.digits}f}"


def read_run(source: str) -> Run:
    """Read a metrics document, the JSON of `SetResult.as_dict`.

    Args:
        source: ``FILE``, ``FOLDER`` that contains ``metrics.json``, or ``LABEL=FILE``. The label is
            ``METHOD`` or ``METHOD/DATASET``; it defaults to the name of the file or folder.

    Returns:
        The run, for `compare_runs`.

    Raises:
        DataError: the file is missing or is not a metrics document.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from cpabmm_core.metrics import read_run
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder, "metrics.json")
        ...     _ = file.write_text('{"l1": 0.25, "videos": [{"name": "clip", "frames": 2}]}')
        ...     run = read_run(f"ours/vox={file}")
        >>> run.method, run.data, run.values["l1"]
        ('ours', 'vox', 0.25)
    """
    label, path = _split_label(source)
    file = path / RESULT_FILE if path.is_dir() else path
    try:
        document = read_json(file.read_bytes())
        values = {metric.key: _to_float(document.get(metric.key)) for metric in METRICS}
        videos = frozenset((video["name"], video["frames"]) for video in document["videos"])
        extractors = dict(document.get("extractors", {}))
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({one_line(error)}); check the path") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f": {one_line(error)}" if isinstance(error, ValueError) else ""
        raise DataError(
            f"{file}: not a metrics document (the JSON output of an evaluation{reason}); "
            "evaluate the videos again"
        ) from None
    method, _, data = label.partition("/")
    return Run(method, data, values, extractors, videos)


def compare_runs(runs: Sequence[Run]) -> Comparison:
    """Combine runs into one table; methods and data sets keep the order of the runs.

    Args:
        runs: runs with distinct labels.

    Returns:
        The table, for `format_comparison`.

    Raises:
        DataError: two runs have the same label.

    Example:
        >>> from cpabmm_core.metrics import METRICS, Run, compare_runs
        >>> values = dict.fromkeys([metric.key for metric in METRICS])
        >>> ours = Run("ours", "", {**values, "l1": 0.25}, {}, frozenset())
        >>> theirs = Run("theirs", "", {**values, "l1": 0.5}, {}, frozenset())
        >>> [method for method, _ in compare_runs([ours, theirs]).best]
        ['ours']
    """
    by_name = {(run.method, run.data): run for run in runs}
    if len(by_name) < len(runs):
        names = [(run.method, run.data) for run in runs]
        repeated = next(name for name in names if names.count(name) > 1)
        label = "/".join(part for part in repeated if part)
        raise DataError(f"{label}: two runs have this label; name each one as LABEL=FILE")
    columns = [
        Column(data, metric)
        for data in dict.fromkeys(run.data for run in runs)
        for metric in METRICS
        if metric.key != _OMITTED
        and any(run.data == data and run.values[metric.key] is not None for run in runs)
    ]
    values = {
        (run.method, column): value
        for run in runs
        for column in columns
        if run.data == column.data and (value := run.values[column.metric.key]) is not None
    }
    methods = list(dict.fromkeys(run.method for run in runs))
    best = frozenset(cell for column in columns for cell in _best_cells(column, values))
    return Comparison(columns, methods, values, best)


def comparison_warnings(runs: Sequence[Run]) -> list[str]:
    """Return one line for each reason why values on a data set are not comparable.

    Example:
        >>> from cpabmm_core.metrics import Run
        >>> ours = Run("ours", "", {}, {}, frozenset({("clip", 2)}))
        >>> theirs = Run("theirs", "", {}, {}, frozenset({("clip", 3)}))
        >>> comparison_warnings([ours, theirs])
        ['ours and theirs: evaluated on different videos or numbers of frames']
    """
    lines = []
    for data in dict.fromkeys(run.data for run in runs):
        first, *others = (run for run in runs if run.data == data)
        for other in others:
            names = f"{first.method} and {other.method}{f' on {data}' if data else ''}"
            lines += [
                f"{names}: {metrics} come from different extractors or weights; do not compare them"
                for role, metrics in _METRICS_OF.items()
                if (one := first.extractors.get(role))
                and (two := other.extractors.get(role))
                and one != two
            ]
            if first.videos != other.videos:
                lines.append(f"{names}: evaluated on different videos or numbers of frames")
    return lines


def _split_label(source: str) -> tuple[str, Path]:
    label, separator, path = source.partition("=")
    if separator and not Path(source).exists():
        return label, Path(path)
    return (Path(source).name if Path(source).is_dir() else Path(source).stem), Path(source)


def _to_float(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    raise ValueError


def _best_cells(
    column: Column, values: Mapping[tuple[str, Column], float]
) -> list[tuple[str, Column]]:
    printed = {
        cell: round(value, column.metric.digits)
        for cell, value in values.items()
        if cell[1] == column
    }
    if len(printed) < 2:
        return []
    best = (min if column.metric.better == "lower" else max)(printed.values())
    return [cell for cell, value in printed.items() if value == best]
