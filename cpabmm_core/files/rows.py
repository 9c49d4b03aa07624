"""Rows of text files of numbers, as spreadsheets and programs write them."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from cpabmm_core.errors import DataError
from cpabmm_core.files.checks import one_line
from cpabmm_core.files.lines import LONGEST_LINE, overlong_line, quote, text_lines

Rows = Iterator[tuple[int, list[str]]]
"""Rows of fields, each with the number of its last line, from 1."""

_INK = re.compile(r"\S")
_SEPARATOR_LINE = re.compile(r'\s*+"?sep=(.)"?[ ;,]*(?:\r\n|\n|\r|$)', re.IGNORECASE)
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
        DataError: a quoted field is not closed or too long, or a row has over 1,000,000
            characters.

    Example:
        >>> list(split_rows("a.csv", "sep=;\nx;y\n0,5;\"0,25\"\n;\n"))
        [(2, ['x', 'y']), (3, ['0,5', '0,25'])]
    """
    named = _SEPARATOR_LINE.match(text)
    skipped = sum(1 for _ in text_lines(name, text[: named.end()])) if named else 0
    lines = _RowLines(name, text, skipped)
    rows = csv.reader(
        iter(lines), delimiter=find_separator(text), skipinitialspace=True, strict=True
    )
    try:
        for row in rows:
            lines.end_row()
            if any(field and not field.isspace() for field in row):
                yield rows.line_num + skipped, row
    except csv.Error as error:
        line = max(1, rows.line_num) + skipped
        raise DataError(
            f"{name}: line {line}: not a valid CSV file ({one_line(error)}); correct it"
        ) from None


def find_separator(text: str) -> str:
    """Return the separator of the fields of a CSV text, which its first row shows."""
    named = _SEPARATOR_LINE.match(text)
    if named:
        return named[1]
    first = _QUOTED.sub("", _first_row(text).rstrip("\r\n"))
    if ";" in first:
        return ";"
    return "\t" if "\t" in first and not _LISTED.search(first) else ","


class _RowLines:
    """The lines of a CSV text. Quoted line ends make a row of several; its length is bounded."""

    def __init__(self, name: str, text: str, skipped: int) -> None:
        self._name, self._text, self._skipped = name, text, skipped
        self._length = 0

    def __iter__(self) -> Iterator[str]:
        lines = enumerate(text_lines(self._name, self._text), start=1)
        for number, line in islice(lines, self._skipped, None):
            self._length += len(line)
            if self._length > LONGEST_LINE + 2:  # the line end is not counted
                raise overlong_line(self._name, number)
            yield line

    def end_row(self) -> None:
        """Begin to count anew."""
        self._length = 0


def _first_row(text: str) -> str:
    """Return the first line that is not blank, up to the length that a line may have."""
    ink = _INK.search(text)
    if ink is None:
        return ""
    start = max(text.rfind("\n", 0, ink.start()), text.rfind("\r", 0, ink.start())) + 1
    return next(io.StringIO(text[start : ink.start() + LONGEST_LINE], newline=""))


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
        self._check_mark(line, what, text)
        try:
            if "_" in text or not text.isascii():  # float accepts digits of other scripts
                raise ValueError
            return float(text.replace(",", "."))
        except ValueError:
            where = self._where(line, what, cell.strip())
            raise DataError(f"{where}, not a number; correct it") from None

    def _check_mark(self, line: int, what: str, text: str) -> None:
        marks = [character for character in text if character in ",."]
        # Between commas, a number with a comma was quoted: either mark is common there.
        if not _DIGITS.fullmatch(text):
            return
        if len(marks) > 1 or (self._separator == "," and _THOUSANDS.fullmatch(text)):
            where = self._where(line, what, text)
            raise DataError(f"{where}; write it without thousands separators")
        if marks and marks[0] != (self._mark or marks[0]):
            raise DataError(
                f"{self._where(line, what, text)}, but line {self._mark_line} has "
                f"a decimal {_NAMES[self._mark]}; use one decimal mark"
            )
        if marks and not self._mark:
            self._mark, self._mark_line = marks[0], line

    def _where(self, line: int, what: str, text: str) -> str:
        return f"{self._name}: line {line}: {what} is {quote(text)}"


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
