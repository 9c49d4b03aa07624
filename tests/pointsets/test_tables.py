import numpy as np
import pytest

from cpabmm_core.errors import DataError
from cpabmm_core.pointsets.tables import parse_table


def test_columns_are_found_by_name_and_empty_lines_are_skipped() -> None:
    table = parse_table("a.csv", "name, x ,y\nleft eye,1,\n\nnose,2, 3\n")
    assert table.column("name") == ["left eye", "nose"]
    assert table.lines == [2, 4]
    np.testing.assert_array_equal(table.numbers(["y", "x"]), [[np.nan, 1], [3, 2]])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x,y\n1\n", "line 2 has 1 fields, the first row names 2 columns"),
        (f'x\n"{"0" * 200_000}"\n', "line 2: not a valid CSV"),
    ],
)
def test_a_malformed_table_is_refused(text: str, words: str) -> None:
    with pytest.raises(DataError, match=rf"^a\.csv: {words}"):
        parse_table("a.csv", text)


def test_a_cell_that_is_not_a_number_is_refused() -> None:
    table = parse_table("a.csv", "x\n1\n\none\n")
    with pytest.raises(DataError, match=r"a\.csv: line 4: x is 'one', not a number"):
        table.numbers(["x"])
