"""Lines of numbers without column names."""

import re
from collections.abc import Iterator

from cpabmm_core.errors import DataError
from cpabmm_core.files.lines import quote, text_lines
from cpabmm_core.files.rows import NumberParser, find_separator, split_rows

_DECIMAL = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?|[+-]?\d+")
_LONE_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")


def number_rows(name: str, text: str) -> Iterator[tuple[int, list[float]]]:
    """Yield the numbers of each line that is not blank, with its line number.

    Args:
        name: the file, for the messages.
        text: the whole content.

    Raises:
        DataError: a field is not a number, or a line has over 1,000,000 characters.
    """
    separator = find_separator(text)
    parser = NumberParser(name, separator)
    if separator != "," or '"' in text:
        rows = ((line, _without_blank_end(row)) for line, row in split_rows(name, text))
    else:
        rows = ((line, _fields(row)) for line, row in enumerate(text_lines(name, text), start=1))
    for line, fields in rows:
        if fields:
            what = "the line" if len(fields) == 1 else "a field"
            yield line, [parser.parse(line, what, field) for field in fields]


def starts_with_numbers(name: str, text: str) -> bool:
    """Return whether the first row that is not blank holds only numbers; True without any."""
    try:
        next(number_rows(name, text), None)
    except DataError:
        return False
    return True


def check_lone_commas(name: str, text: str) -> None:
    """Check that the lines are not all like ``0,5``: one number, or two?

    Raises:
        DataError: they are, or a line has over 1,000,000 characters.
    """
    first = None
    for number, line in enumerate(text_lines(name, text), start=1):
        if not line.isspace():
            if not _LONE_COMMA.fullmatch(line):
                return
            first = first or (number, line.strip())
    if first:
        raise DataError(
            f"{name}: line {first[0]} is {quote(first[1])}, one number with a decimal comma or two "
            "numbers; write a decimal point, or spaces between numbers"
        )


def _fields(line: str) -> list[str]:
    """Split a line at spaces and commas; between spaces alone, commas are decimal marks."""
    words = line.split()
    if len(words) > 1 and "," in line and all(_DECIMAL.fullmatch(word) for word in words):
        return words
    return line.replace(",", " ").split()


def _without_blank_end(row: list[str]) -> list[str]:
    while row and not row[-1].strip():
        row.pop()
    return row
