"""The tables of the report: values of each row, and differences from its baselines."""

from collections.abc import Sequence
from dataclasses import dataclass

from ablation.intervals import Estimate, interval, paired_difference
from ablation.records import STATIC, Record, median_fact, table_of
from ablation.rows import ROWS, Row

from cpabmm_core.errors import DataError

_NONE = "-"


@dataclass(frozen=True)
class Metric:
    """A column of the tables."""

    title: str
    key: str
    digits: int
    per: str | None = None
    """Metric whose sum divides that of `key`; None divides by the number of terms."""
    higher_is_better: bool = False


METRICS: tuple[Metric, ...] = (
    Metric("L1 / static", "l1", 3, per="still"),
    Metric("AKD", "akd", 3),
    Metric("MKR", "mkr", 4),
    Metric("AED", "aed", 4),
    Metric("PSNR", "psnr", 2, higher_is_better=True),
    Metric("SSIM", "ssim", 3, higher_is_better=True),
    Metric("unexplained share", "unexplained", 3),
    Metric("fit residual, px", "fit_residual", 3),
)
_RESIDUAL = METRICS[-1]
"""Not a measure of quality, so that no value is the best."""
_CANDIDATES = (
    Metric("warped / static", "warped", 3, per="still_small"),
    Metric("best candidate / static", "best_candidate", 3, per="still_small"),
    Metric("global residual, px", "global_residual", 3),
)


class Comparison:
    """The runs of one data set.

    Args:
        records: its runs.

    Raises:
        DataError: they were scored on different videos.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        if len({record.videos for record in records}) > 1:
            raise DataError(
                f"{records[0].key.data_set}: its runs were scored on different videos; score them "
                "again with the command evaluate"
            )
        self._records = {(record.key.row, record.key.seed): record for record in records}
        names = {record.key.row for record in records}
        self.rows = [row for row in ROWS if row.name in names]
        """The rows that have runs, in the order of the table."""

    def runs(self, row: str) -> list[Record]:
        """Return the runs of a row, one for each of its seeds."""
        return [self._records[key] for key in sorted(self._records) if key[0] == row]

    def value(self, row: str, metric: Metric) -> Estimate | None:
        """Return a metric of a row over all its seeds and videos."""
        table = table_of(self.runs(row), metric.key, metric.per)
        return None if table is None else interval(table)

    def static(self, metric: Metric) -> Estimate | None:
        """Return a metric of the static baseline, from any run: all have the same videos."""
        if metric.key == "l1":
            return Estimate(1.0, None, None)
        for record in self._records.values():
            if (table := table_of([record], f"{STATIC}{metric.key}")) is not None:
                return interval(table)
        return None

    def shared(self, row: str, other: str) -> list[int]:
        """Return the seeds that both rows have."""
        seeds = [seed for name, seed in sorted(self._records) if name == row]
        return [seed for seed in seeds if (other, seed) in self._records]

    def difference(self, row: str, baseline: str, metric: Metric) -> Estimate | None:
        """Return ``row - baseline`` over the seeds that both have."""
        shared = self.shared(row, baseline)
        if not shared:
            return None
        tables = [
            table_of([self._records[name, s] for s in shared], metric.key, metric.per)
            for name in (row, baseline)
        ]
        if tables[0] is None or tables[1] is None:
            return None
        return paired_difference(tables[0], tables[1])

    def best(self, metric: Metric) -> str | None:
        """Return the best row of a metric, if it differs from splines with 95% confidence.

        If splines are best, they must differ from the second-best row.
        """
        found = {row.name: self.value(row.name, metric) for row in self.rows}
        values = {name: estimate.value for name, estimate in found.items() if estimate is not None}
        if metric is _RESIDUAL or "tps" not in values or len(values) < 2:
            return None
        order = sorted(values, key=lambda name: values[name], reverse=metric.higher_is_better)
        other = order[1] if order[0] == "tps" else "tps"
        difference = self.difference(order[0], other, metric)
        return order[0] if difference is not None and difference.excludes_zero else None


def value_table(runs: Comparison) -> str:
    """Return the Markdown table of all values, with intervals below them."""
    metrics = [m for m in METRICS if any(runs.value(row.name, m) for row in runs.rows)]
    best = {metric.key: runs.best(metric) for metric in metrics}

    def cells(row: Row) -> list[str]:
        texts = [
            _value(runs.value(row.name, m), m.digits, bold=best[m.key] == row.name) for m in metrics
        ]
        seconds = median_fact(runs.runs(row.name), "processor_seconds_per_step")
        return [*texts, _number(seconds, 2), str(len(runs.runs(row.name)))]

    titles = [metric.title for metric in metrics]
    static = [_value(runs.static(metric), metric.digits) for metric in metrics]
    lines = [["static baseline", *static, _NONE, _NONE]]
    lines += [[f"`{row.name}`", *cells(row)] for row in runs.rows]
    return _table(["row", *titles, "s per step", "seeds"], lines)


def difference_table(runs: Comparison) -> str:
    """Return the Markdown table of the differences from each row's baselines; "" without any."""
    pairs = [
        (row, name) for row in runs.rows for name in row.baselines if runs.shared(row.name, name)
    ]
    if not pairs:
        return ""
    metrics = [m for m in METRICS if any(runs.value(row.name, m) for row, _ in pairs)]
    metrics = [m for m in metrics if m is not _RESIDUAL]
    lines = []
    for row, name in pairs:
        found = [(runs.difference(row.name, name, metric), metric.digits) for metric in metrics]
        texts = [_value(estimate, digits, sign=True) for estimate, digits in found]
        lines.append([f"`{row.name}`", f"`{name}`", *texts, str(len(runs.shared(row.name, name)))])
    return _table(["row", "minus", *(metric.title for metric in metrics), "seeds"], lines)


def candidate_table(runs: Comparison) -> str:
    """Return the Markdown table of what the candidates do; facts are medians over the seeds."""
    metrics = [m for m in _CANDIDATES if any(runs.value(row.name, m) for row in runs.rows)]

    def cells(row: Row) -> list[str]:
        records = runs.runs(row.name)
        parameters = median_fact(records, "parameters")
        return [
            *(_value(runs.value(row.name, metric), metric.digits) for metric in metrics),
            _number(median_fact(records, "background"), 2),
            _number(median_fact(records, "groups_in_use"), 1),
            _norm(median_fact(records, "gradient_candidates")),
            _norm(median_fact(records, "gradient_heatmaps")),
            _number(None if parameters is None else parameters / 1e6, 1),
        ]

    titles = (
        *("row", *(metric.title for metric in metrics)),
        *(
            "background's share",
            "candidates in use",
            "gradient by the candidates",
            "by the heatmaps",
        ),
        "million parameters",
    )
    return _table(titles, [[f"`{row.name}`", *cells(row)] for row in runs.rows])


def row_table() -> str:
    """Return the Markdown table of what each row is."""

    def cells(row: Row) -> list[str]:
        changes = "<br>".join(f"`{_shown(text)}`" for text in row.settings)
        start = f"the `{row.start}` model" if row.start else ""
        return [row.why, f"`{row.config}`", changes, start]

    titles = ["row", "why", "configuration", "changes", "begins with"]
    return _table(titles, [[f"`{row.name}`", *cells(row)] for row in ROWS])


def _shown(setting: str) -> str:
    key, _, value = setting.partition("=")
    return f"{key}=PATH" if value.startswith("PATH_OF") else setting


def _table(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = "|---" * len(titles) + "|"
    head, *body = ("| " + " | ".join(line) + " |" for line in (titles, *lines))
    return "\n".join([head, rule, *body])


def _value(
    estimate: Estimate | None, digits: int, *, sign: bool = False, bold: bool = False
) -> str:
    """Write a value and, on a second line of the cell, its interval."""
    if estimate is None:
        return _NONE
    mark = "+" if sign else ""
    text = f"{estimate.value:{mark}.{digits}f}"
    if bold or (sign and estimate.excludes_zero):
        text = f"**{text}**"
    if estimate.low is None:
        return text
    return f"{text}<br>{estimate.low:{mark}.{digits}f} to {estimate.high:{mark}.{digits}f}"


def _number(value: float | None, digits: int) -> str:
    return _NONE if value is None else f"{value:.{digits}f}"


def _norm(value: float | None) -> str:
    """Write a norm, which can differ by orders of magnitude between rows."""
    if value is None:
        return _NONE
    return f"{value:.2g}" if value >= 1e-4 or not value else f"{value:.0e}"
