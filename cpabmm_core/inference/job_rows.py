"""Rows of a table with named columns: CSV, or one JSON object per line."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cpabmm_core.config.problems import shorten, suggest
from cpabmm_core.errors import DataError
from cpabmm_core.files.checks import one_line
from cpabmm_core.files.json_text import read_json
from cpabmm_core.files.lines import quote, text_lines
from cpabmm_core.files.rows import read_text_table

Rows = Iterator[tuple[int, dict[str, object]]]
"""The values of each row by column, without the empty ones, with its line from 1."""

_JSON_LINES = (".jsonl", ".ndjson")


def job_rows(name: str, text: str, *, known: Sequence[str], required: Sequence[str]) -> Rows:
    r"""Yield the rows of a table; names of columns may be written with ``-`` or ``_``.

    Args:
        name: the file, for the messages; ``.jsonl`` and ``.ndjson`` mean JSON, all other CSV.
        text: the whole content.
        known: names of the columns that may occur, written with ``_``.
        required: names of the columns that a CSV must have. A JSON object may lack any.

    Raises:
        DataError: the text is not CSV or JSON, or a column is missing, unknown or given twice.

    Example:
        >>> list(job_rows("a.csv", "x,y-z\n1,\n", known=["x", "y_z"], required=["x"]))
        [(2, {'x': '1'})]
    """
    if Path(name).suffix.lower() in _JSON_LINES:
        return _json_rows(name, text, known)
    return _csv_rows(name, text, known, required)


def _csv_rows(path: str, text: str, known: Sequence[str], required: Sequence[str]) -> Rows:
    table = read_text_table(path, text)
    names = _names(path, 1, table.header, known)
    for column in required:
        if column not in names:
            raise DataError(
                f"{path}: has no column {column}; name the columns in the first row, "
                f"for example {','.join(required)}"
            )
    for line, cells in table.rows:
        filled = zip(names, cells, strict=True)
        yield line, {name: cell for name, cell in filled if cell and not cell.isspace()}


def _json_rows(path: str, text: str, known: Sequence[str]) -> Rows:
    for line, content in enumerate(text_lines(path, text), 1):
        if content.isspace():
            continue
        try:
            row = read_json(content)
        except ValueError as error:
            raise DataError(
                f"{path}: line {line}: not a JSON object ({one_line(error)}); correct it"
            ) from None
        if not isinstance(row, dict):
            raise DataError(f"{path}: line {line}: not a JSON object, but {quote(row)}; correct it")
        names = _names(path, line, row, known)
        filled = zip(names, row.values(), strict=True)
        yield line, {name: value for name, value in filled if value is not None and value != ""}


def _names(path: str, line: int, given: Iterable[str], known: Sequence[str]) -> list[str]:
    """Return the names of columns or keys as they are spelt in Python."""
    names: list[str] = []
    for column in given:
        name = column.strip().replace("-", "_")
        if name not in known:
            hint = suggest(name, list(known)) or f"; known: {', '.join(known)}"
            raise DataError(f"{path}: line {line}: unknown column {shorten(column)!r}{hint}")
        if name in names:
            raise DataError(f"{path}: line {line}: gives {name} twice; remove one")
        names.append(name)
    return names
