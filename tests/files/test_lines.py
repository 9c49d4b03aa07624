import io
import tracemalloc

import pytest

from cpabmm_core.errors import DataError
from cpabmm_core.files.lines import LONGEST_LINE, quote, text_lines
from cpabmm_core.files.rows import find_separator, split_rows


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("shift", range(3))
def test_lines_are_those_of_the_whole_text(end: str, shift: int) -> None:
    """Line ends lie before, at and behind the places where the text is divided."""
    text = " " * shift + f"0.5,0.25{end}" * (2 * LONGEST_LINE // 9) + "last"
    assert list(text_lines("a", text)) == list(io.StringIO(text, newline=""))


def test_the_longest_line_is_read_and_a_longer_one_is_named() -> None:
    longest = "1" * LONGEST_LINE + "\n"
    assert list(text_lines("a", f"x\n{longest}{longest}")) == ["x\n", longest, longest]
    with pytest.raises(DataError, match=r"^a\.csv: line 3 has over 1,000,000 characters; write"):
        list(text_lines("a.csv", f"x\n{longest}1{longest}"))


def test_quoted_line_ends_do_not_make_an_endless_row() -> None:
    text = "sep=,\n" + '"\n",' * LONGEST_LINE
    with pytest.raises(DataError, match=r"^a\.csv: line \d+ has over 1,000,000 characters"):
        list(split_rows("a.csv", text))


def test_the_first_row_costs_no_copy_of_the_text() -> None:
    text = "\r \r" + "0;5\r" * 5_000_000
    tracemalloc.start()
    separator = find_separator(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert separator == ";"
    assert peak < 10_000_000


def test_a_quotation_is_short_and_on_one_line() -> None:
    assert quote("0,5") == "'0,5'"
    for text in ("1" * 10**6, "\n" * 10**6, "\U000e0001" * 10**6):
        assert len(quote(text)) <= 80
        assert quote(text).isprintable()
