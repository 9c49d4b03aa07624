"""A comparison as text, Markdown, LaTeX or JSON."""

import re
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from cpabmm_core.metrics.comparison import Column, Comparison

_ARROWS = {"lower": "↓", "higher": "↑"}
_LATEX_ARROWS = {"lower": r"$\downarrow$", "higher": r"$\uparrow$"}
_LATEX_SIGNS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
_NOTHING = "-"


def as_text(comparison: Comparison) -> str:
    """Columns padded with spaces; the best have a star."""
    cells = _cells(comparison, lambda text: f"{text}*", lambda text: text)
    rows = [["", *(_title(column) for column in comparison.columns)], *cells]
    widths = [max(len(row[number]) for row in rows) for number in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def as_markdown(comparison: Comparison) -> str:
    """A table of GitHub's Markdown; the best are bold."""
    cells = _cells(comparison, lambda text: f"**{text}**", lambda text: text.replace("|", "\\|"))
    titles = ["method", *(_title(column).replace("|", "\\|") for column in comparison.columns)]
    rule = ["---", *("---:" for _ in comparison.columns)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [titles, rule, *cells])


def as_latex(comparison: Comparison) -> str:
    r"""A ``tabular`` with the rules of the package booktabs; the best are bold.

    Data sets are column groups, as in the paper's Table 1.
    """
    cells = _cells(comparison, lambda text: rf"\textbf{{{text}}}", _escaped)
    titles = [f"{c.measure.title} {_LATEX_ARROWS[c.measure.better]}" for c in comparison.columns]
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


def as_document(comparison: Comparison) -> dict[str, Any]:
    """For JSON: a list of rows, each with its figures and which of them are the best."""
    return {
        "rows": [
            {
                "method": method,
                "data": data or None,
                **{c.measure.key: comparison.values.get((method, c)) for c in columns},
                "best": [c.measure.key for c in columns if (method, c) in comparison.best],
            }
            for data, columns in _groups(comparison.columns)
            for method in comparison.methods
            if any((method, column) in comparison.values for column in columns)
        ]
    }


def _cells(
    comparison: Comparison, best: Callable[[str], str], escape: Callable[[str], str]
) -> list[list[str]]:
    """The rows of the table, each led by its method."""
    return [
        [
            escape(method),
            *(
                best(text) if (method, column) in comparison.best else text or _NOTHING
                for column in comparison.columns
                for text in (comparison.text(method, column),)
            ),
        ]
        for method in comparison.methods
    ]


def _title(column: Column) -> str:
    return f"{column.data} {column.measure.title} {_ARROWS[column.measure.better]}".strip()


def _groups(columns: Sequence[Column]) -> list[tuple[str, list[Column]]]:
    return [(data, list(group)) for data, group in groupby(columns, lambda column: column.data)]


def _latex_groups(columns: Sequence[Column]) -> list[str]:
    """A line of titles over the columns of each data set, if data sets are told apart."""
    if not any(column.data for column in columns):
        return []
    titles = [
        rf"\multicolumn{{{len(group)}}}{{c}}{{{_escaped(data)}}}"
        for data, group in _groups(columns)
    ]
    return [" & ".join(["", *titles]) + r" \\"]


def _escaped(text: str) -> str:
    return re.sub(r"[\\~^&%$#_{}]", lambda found: _LATEX_SIGNS[found[0]], text)
