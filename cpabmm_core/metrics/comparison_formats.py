"""Text, Markdown, LaTeX and JSON of a comparison."""

import re
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Literal

from cpabmm_core.metrics.comparison import Column, Comparison

TableFormat = Literal["text", "markdown", "latex"]
_ARROWS = {"lower": "↓", "higher": "↑"}
_LATEX_ARROWS = {"lower": r"$\downarrow$", "higher": r"$\uparrow$"}
_LATEX_SIGNS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
_EMPTY = "-"


def format_comparison(comparison: Comparison, table_format: TableFormat = "text") -> str:
    r"""Format a comparison as a table.

    Args:
        comparison: the table.
        table_format: ``text`` pads columns with spaces and marks the best values with a star.
            ``markdown`` (GitHub) and ``latex`` set them in bold. ``latex`` is a ``tabular`` with
            rules of the package booktabs, in which data sets are column groups.

    Returns:
        Lines joined by newlines.

    Example:
        >>> from cpabmm_core.metrics import METRICS, Run, compare_runs
        >>> values = dict.fromkeys([metric.key for metric in METRICS])
        >>> ours = Run("ours", "", {**values, "l1": 0.25}, {}, frozenset())
        >>> theirs = Run("theirs", "", {**values, "l1": 0.5}, {}, frozenset())
        >>> print(format_comparison(compare_runs([ours, theirs]), "markdown"))
        | method | L1 ↓ |
        | --- | ---: |
        | ours | **0.25000** |
        | theirs | 0.50000 |
    """
    formats = {"text": _format_text, "markdown": _format_markdown, "latex": _format_latex}
    return formats[table_format](comparison)


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as a JSON document.

    Args:
        comparison: the table.

    Returns:
        ``rows``, one per method and data set, with ``method``, ``data``, the values by key, and
        ``best``, the keys of the best values.

    Example:
        >>> from cpabmm_core.metrics import METRICS, Run, compare_runs
        >>> values = dict.fromkeys([metric.key for metric in METRICS])
        >>> run = Run("ours", "vox", {**values, "l1": 0.25}, {}, frozenset())
        >>> comparison_document(compare_runs([run]))
        {'rows': [{'method': 'ours', 'data': 'vox', 'l1': 0.25, 'best': []}]}
    """
    return {
        "rows": [
            {
                "method": method,
                "data": data or None,
                **{c.metric.key: comparison.values.get((method, c)) for c in columns},
                "best": [c.metric.key for c in columns if (method, c) in comparison.best],
            }
            for data, columns in _column_groups(comparison.columns)
            for method in comparison.methods
            if any((method, column) in comparison.values for column in columns)
        ]
    }


def _format_text(comparison: Comparison) -> str:
    cells = _cells(comparison, lambda text: f"{text}*", lambda text: text)
    rows = [["", *(_title(column) for column in comparison.columns)], *cells]
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _format_markdown(comparison: Comparison) -> str:
    cells = _cells(comparison, lambda text: f"**{text}**", lambda text: text.replace("|", "\\|"))
    titles = ["method", *(_title(column).replace("|", "\\|") for column in comparison.columns)]
    rule = ["---", *("---:" for _ in comparison.columns)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [titles, rule, *cells])


def _format_latex(comparison: Comparison) -> str:
    cells = _cells(comparison, lambda text: rf"\textbf{{{text}}}", _escape_latex)
    titles = [f"{c.metric.title} {_LATEX_ARROWS[c.metric.better]}" for c in comparison.columns]
    lines = [
        rf"\begin{{tabular}}{{l{'c' * len(comparison.columns)}}}",
        r"\toprule",
        *_latex_groups(comparison.columns),
        " & ".join(["", *titles]) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in cells),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines)


def _cells(
    comparison: Comparison, mark_best: Callable[[str], str], escape: Callable[[str], str]
) -> list[list[str]]:
    """Return the rows of the table; the first cell of each is the method."""
    return [
        [
            escape(method),
            *(
                mark_best(text) if (method, column) in comparison.best else text or _EMPTY
                for column in comparison.columns
                for text in (comparison.text(method, column),)
            ),
        ]
        for method in comparison.methods
    ]


def _title(column: Column) -> str:
    return f"{column.data} {column.metric.title} {_ARROWS[column.metric.better]}".strip()


def _column_groups(columns: Sequence[Column]) -> list[tuple[str, list[Column]]]:
    return [(data, list(group)) for data, group in groupby(columns, lambda column: column.data)]


def _latex_groups(columns: Sequence[Column]) -> list[str]:
    """Return a line of data set titles over their columns, if any run names its data set."""
    if not any(column.data for column in columns):
        return []
    titles = [
        rf"\multicolumn{{{len(group)}}}{{c}}{{{_escape_latex(data)}}}"
        for data, group in _column_groups(columns)
    ]
    return [" & ".join(["", *titles]) + r" \\"]


def _escape_latex(text: str) -> str:
    return re.sub(r"[\\~^&%$#_{}]", lambda found: _LATEX_SIGNS[found[0]], text)
