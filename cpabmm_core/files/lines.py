"""Lines of a text, one at a time, and short quotations of them."""

import io
import reprlib
from collections.abc import Iterator

from cpabmm_core.errors import DataError

LONGEST_LINE = 1_000_000
"""Maximum number of characters of a line. The fields of a line take 50 times its memory."""

_QUOTED_CHARACTERS = 80


def text_lines(name: str, text: str) -> Iterator[str]:
    r"""Yield the lines of a text with their ends: a line feed, a carriage return or both.

    Args:
        name: the file, for the message.
        text: the whole content.

    Raises:
        DataError: a line has over 1,000,000 characters; raised when it is reached.

    Example:
        >>> list(text_lines("a.csv", "x,y\r\n0.5,0.25"))
        ['x,y\r\n', '0.5,0.25']
    """
    start, count = 0, 0
    while start < len(text):
        stop = _end_of_block(text, start)
        if stop is None:
            raise overlong_line(name, count + 1)
        # A StringIO takes four bytes a character: one for the whole text would be too large.
        for line in io.StringIO(text[start:stop], newline=""):
            count += 1
            yield line
        start = stop


def overlong_line(name: str, line: int) -> DataError:
    """Return the error for a line, or a row of several lines, that is too long.

    Args:
        name: the file.
        line: line number, from 1.
    """
    return DataError(
        f"{name}: line {line} has over {LONGEST_LINE:,} characters; write one row per line"
    )


def quote(value: object) -> str:
    """Return the representation of a value from a file; leave out the middle of a long one.

    Example:
        >>> quote("1,5")
        "'1,5'"
        >>> len(quote("1" * 1000))
        80
    """
    shortened = reprlib.Repr()
    shortened.maxstring = shortened.maxother = _QUOTED_CHARACTERS
    return shortened.repr(value)


def _end_of_block(text: str, start: int) -> int | None:
    """Return where the last line ends that ends in reach; None if the first one is too long."""
    reach = start + LONGEST_LINE + 1
    if reach > len(text):
        return len(text)
    stop = max(text.rfind("\n", start, reach), text.rfind("\r", start, reach)) + 1
    if not stop:
        return None
    return stop + 1 if text.startswith("\r\n", stop - 1) else stop
