"""Rows of text files of numbers, as spreadsheets and programs write them."""

import csv
import io
import re
from collections.abc import Iterator
from typing import NamedTuple

from cpabmm_core.errors import DataError

Rows = Iterator[tuple[int, list[str]]]
"""Rows of fields, each with the number of its last line, from 1."""

_SEPARATOR_LINE = re.compile(r'\s*"?sep=(.)"?[ ;,]*(?:\r\n|\n|\r|$)', re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"')
_LISTED = re.compile(r",\s|,$")
_DIGITS = re.compile(r"[+-]?[\d.,]+(?:[eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")
_MISSING = {"", "nan", "na", "n/a", "null", "none", "#n/a", "#na", "#nv", "#n/d"}
_NAMES = {",": "comma", ".": "point"}


def split_rows(name: str, text: str) -> Rows:
    r"""Yield the rows of a CSV text with the number of their last line; skip blank rows.

    The first row determines the separator: a semicolon, a tab or a comma. A first line such as
    ``sep=;`` names it. Quoted fields may contain it.

    Args:
        name: the file, for the message.
        text: the whole content.

    Raises:
        DataError: a quoted field is not closed or too long.

    Example:
        >>> list(split_rows("a.csv", "sep=;\nx;y\n0,5;\"0,25\"\n;\n"))
        [(2, ['x', 'y']), (3, ['0,5', '0,25'])]
    """
    named = _SEPARATOR_LINE.match(text)
    skipped = 1 if named else 0
    lines = io.StringIO(text[named.end() :] if named else text, newline="")
    rows = csv.reader(lines, delimiter=find_separator(text), skipinitialspace=True, strict=True)
    try:
        for row in rows:
            if any(field and not field.isspace() for field in row):
                yield rows.line_num + skipped, row
    except csv.Error as error:
        raise DataError(
            f"{name}: line {rows.line_num + skipped}: not a valid CSV file ({error}); correct it"
        ) from None


def find_separator(text: str) -> str:
    """Return the separator of the fields of a CSV text, which its first row shows."""
    named = _SEPARATOR_LINE.match(text)
    if named:
        return named[1]
    first = next((line for line in io.StringIO(text) if not line.isspace()), "")
    first = _QUOTED.sub("", first.rstrip("\r\n"))
    if ";" in first:
        return ";"
    return "\t" if "\t" in first and not _LISTED.search(first) else ","


def _same_length(name: str, columns: int, rows: Rows) -> Rows:
    for line, row in rows:
        if len(row) > columns and not any(field.strip() for field in row[columns:]):
            del row[columns:]
        if len(row) != columns:
            cure = "make them agree"
            if len(row) == 2 * columns:
                cure = "separate numbers with decimal commas by semicolons"
            raise DataError(
                f"{name}: line {line} has {len(row)} fields, the first row names {columns} "
                f"columns; {cure}"
            )
        yield line, row


class NumberParser:
    """Parses the numbers of one file, all with the same decimal mark.

    Args:
        name: the file, for the messages.
        separator: separator of the fields.

    Example:
        >>> parser = NumberParser("a.csv", ";")
        >>> parser.parse(2, "x", "0,5"), parser.parse(2, "y", "#NV")
        (0.5, nan)
    """

    def __init__(self, name: str, separator: str) -> None:
        self._name = name
        self._separator = separator
        self._mark = ""
        self._mark_line = 0

    def parse(self, line: int, what: str, cell: str) -> float:
        """Return the number of a cell; NaN if it is empty or a spreadsheet's missing value.

        Args:
            line: line number, for the messages.
            what: what the cell is, for the messages.
            cell: the text.

        Raises:
            DataError: the cell is not a number, has thousands separators, or another decimal mark
                than the cells before it.
        """
        text = cell.strip().replace("\u2212", "-")
        if text.lower() in _MISSING:
            return float("nan")
        where = f"{self._name}: line {line}: {what} is {cell.strip()!r}"
        self._check_mark(where, line, text)
        try:
            if "_" in text or not text.isascii():  # float accepts digits of other scripts
                raise ValueError
            return float(text.replace(",", "."))
        except ValueError:
            raise DataError(f"{where}, not a number; correct it") from None

    def _check_mark(self, where: str, line: int, text: str) -> None:
        marks = [character for character in text if character in ",."]
        # Between commas, a number with a comma was quoted: either mark is common there.
        if not _DIGITS.fullmatch(text):
            return
        if len(marks) > 1 or (self._separator == "," and _THOUSANDS.fullmatch(text)):
            raise DataError(f"{where}; write it without thousands separators")
        if marks and marks[0] != (self._mark or marks[0]):
            raise DataError(
                f"{where}, but line {self._mark_line} has a decimal {_NAMES[self._mark]}; "
                "use one decimal mark"
            )
        if marks and not self._mark:
            self._mark, self._mark_line = marks[0], line


class TextTable(NamedTuple):
    """A CSV text whose first row names the columns."""

    header: list[str]
    """The column names."""
    rows: Rows
    """The rows below, each as long as the header."""
    numbers: NumberParser
    """Parses the numbers of the table."""


def read_text_table(name: str, text: str) -> TextTable:
    r"""Read a CSV text whose first row names the columns.

    Blank names at the end of the first row are dropped, and blank fields below them.

    Args:
        name: the file, for the messages.
        text: the whole content.

    Raises:
        DataError: a row has more or fewer fields than columns, or the text is not CSV; a row is
            checked when it is reached.

    Example:
        >>> table = read_text_table("a.csv", "x;y;;\n0,5;0,25;;\n")
        >>> [(line, cells)] = table.rows
        >>> table.header, line, [table.numbers.parse(line, "x", cell) for cell in cells]
        (['x', 'y'], 2, [0.5, 0.25])
    """
    rows = split_rows(name, text)
    _, header = next(rows, (0, []))
    header = [column.strip() for column in header]
    while header and not header[-1]:
        header.pop()
    return TextTable(
        header, _same_length(name, len(header), rows), NumberParser(name, find_separator(text))
    )
