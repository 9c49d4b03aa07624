"""Tables of benchmark results, and their places in a page of the documentation."""

import textwrap
from collections.abc import Iterable, Sequence

from benchmarks._report import Row, seconds_text
from benchmarks._runs import Run

COLUMNS = 120
"""Columns of a line of text in the documentation."""
_HEADER = ("task", "instruction set", "ours", "compared with", "time", "ratio")


def console_table(runs: Sequence[Run]) -> str:
    """Return one table of all runs; a run without rows is a line that says why."""
    lines: list[tuple[str, ...]] = [("benchmark", *_HEADER)]
    for run in runs:
        held = run.machine.instruction_set if run.machine else run.instruction_set
        if run.trouble:
            lines.append((run.benchmark, run.trouble, held, "", "", "", ""))
        lines += [(run.benchmark, *_cells(row, held)) for row in run.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)


def page_block(runs: Sequence[Run]) -> str:
    """Return what a page shows of one benchmark: the table, then the machine."""
    done = [run for run in runs if run.rows]
    texts = [run.text for run in done if run.text]
    if texts:
        parts = texts
    else:
        lines = ["| " + " | ".join(_HEADER) + " |", "|---" * len(_HEADER) + "|"]
        for run in done:
            held = run.machine.instruction_set if run.machine else run.instruction_set
            lines += ["| " + " | ".join(_cells(row, held)) + " |" for row in run.rows]
        parts = ["\n".join(lines)]
    machine = next(run.machine for run in done if run.machine)
    return "\n\n".join([*parts, textwrap.fill(f"Machine: {machine}.", COLUMNS)])


def _cells(row: Row, held: str) -> tuple[str, ...]:
    what = f"{row.what} ({row.note})" if row.note else row.what
    times = (seconds_text(seconds) for seconds in (row.ours_seconds, row.peer_seconds))
    ours, peer = times
    return (what, held, ours, row.peer, peer, f"{row.ratio:.2f}")


def rewrite_page(page: str, runs: Iterable[Run]) -> tuple[str, list[str]]:
    """Put the results of benchmarks between their markers and change nothing else.

    A place is a line ``<!-- benchmark: NAME -->``, then anything, then
    ``<!-- end of benchmark -->``. A benchmark without rows keeps what its place holds.

    Args:
        page: the text of the page.
        runs: the runs; those of one benchmark share a place.

    Returns:
        The new text, and the names of benchmarks with rows that have no place in the page.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if run.rows:
            groups.setdefault(run.benchmark, []).append(run)
    homeless = []
    for name, group in groups.items():
        start, end = f"<!-- benchmark: {name} -->", "<!-- end of benchmark -->"
        before, found, rest = page.partition(start)
        _, closed, after = rest.partition(end)
        if found and closed:
            page = f"{before}{start}\n\n{page_block(group)}\n\n{end}{after}"
        else:
            homeless.append(name)
    return page, homeless
