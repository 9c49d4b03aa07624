"""Files from spreadsheets, and malformed ones."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from _helpers.odd_files import points as odd

from cpabmm_core.errors import DataError
from cpabmm_core.files.rows import NumberParser, find_separator
from cpabmm_core.files.text import decode_text
from cpabmm_core.pointsets import (
    NumberFile,
    read_point_pairs,
    read_points,
    read_weights,
)

Make = Callable[[Path], None]

READ: list[Make] = [
    odd.make_german_pairs,
    odd.make_unicode_text_pairs,
    odd.make_separator_line_pairs,
    odd.make_padded_pairs,
    odd.make_comma_quoted_pairs,
    odd.make_missing_pairs,
]


@pytest.mark.parametrize("make", READ, ids=lambda make: make.__name__)
def test_a_table_from_a_spreadsheet_is_read(make: Make, tmp_path: Path) -> None:
    make(tmp_path / "pairs.csv")
    [pairs] = read_point_pairs(tmp_path / "pairs.csv")
    counting = pairs.counting()
    np.testing.assert_array_equal(np.hstack([counting.source, counting.target]), odd.PAIRS)


@pytest.mark.parametrize(
    ("make", "suffix", "trouble"),
    [
        (odd.make_unquoted_comma_pairs, ".csv", "line 2 has 8 fields, the first row names 4"),
        (odd.make_thousands_pairs, ".csv", "line 2: target_x is '1.234,5'; write it without"),
        (odd.make_mixed_mark_pairs, ".csv", "line 3: source_x is '0.5', but line 2 has a decimal"),
        (odd.make_repeated_key_pairs, ".json", "not valid JSON (gives the key 'target' twice)"),
        (odd.make_deep_pairs, ".json", "not valid JSON ("),
        (odd.make_huge_number_pairs, ".json", "a value that is not a number"),
        (odd.make_text_number_pairs, ".json", "a value that is not a number: row 1 has 'NaN'"),
        (odd.make_ragged_pairs, ".json", "rows of different lengths: row 2 has 1, not 2"),
        (odd.make_long_name_pairs, ".json", "cannot name a set; use 1 to 100 printable"),
        (odd.make_object_pairs, ".npz", "not a readable .npz archive"),
        (odd.make_short_archive, ".npz", "not a readable .npz archive"),
    ],
)
def test_other_files_are_refused_in_one_line(
    make: Make, suffix: str, trouble: str, tmp_path: Path
) -> None:
    path = tmp_path / f"pairs{suffix}"
    make(path)
    with pytest.raises(DataError) as caught:
        read_point_pairs(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert trouble in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 200


@pytest.mark.parametrize(
    "text",
    [
        "0,5;0,25\n1;0,75\n",
        "0,5\t0,25\r\n1\t0,75",
        "0,5 0,25\n1 0,75",
        '"0,5","0,25"\n"1","0,75"',
        "sep=;\n0,5;0,25;\n1;0,75;;\n",
        "0.5, 0.25\n1,0.75\n",
        "0.5;0.25\n\n;\n1;0.75",
    ],
)
def test_points_without_column_names_have_two_numbers_a_line(text: str) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"):
        points = read_points(NumberFile("p.csv", ".csv", text.encode(encoding)))
        np.testing.assert_array_equal(points, [[0.5, 0.25], [1, 0.75]])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0,5;0,25", [0.5, 0.25]),
        ("0,5;\n0,25;\n", [0.5, 0.25]),
        ("1,0,1", [1, 0, 1]),
        ("1 0.5", [1, 0.5]),
        ("-0.0 0", [0, 0]),
    ],
)
def test_weights_are_read(text: str, expected: list[float]) -> None:
    assert read_weights(NumberFile("w.txt", ".txt", text.encode())).tolist() == expected


def test_a_lone_comma_may_be_a_decimal_mark() -> None:
    with pytest.raises(DataError, match=r"w: line 1 is '0,5', one number .* or two numbers"):
        read_weights(NumberFile("w", ".txt", b"0,5\n1,0\n"))


@pytest.mark.parametrize(
    ("cell", "separator", "trouble"),
    [
        ("1,234", ",", "thousands"),
        ("1.234.567", ";", "thousands"),
        ("1 234,5", ";", "not a number"),
        ("n. def.", ";", "not a number"),
        ("1_000", ",", "not a number"),
        ("\u0661", ",", "not a number"),
        ("#DIV/0!", ",", "not a number"),
        ("0x1", ",", "not a number"),
    ],
)
def test_what_may_be_another_number_is_refused(cell: str, separator: str, trouble: str) -> None:
    with pytest.raises(DataError, match=f"^a.csv: line 7: x is .*{trouble}"):
        NumberParser("a.csv", separator).parse(7, "x", cell)


@pytest.mark.parametrize(
    ("cell", "number"),
    [("1,234", 1.234), ("\u22120,5", -0.5), (" 5e-1\u00a0", 0.5), ("-0", 0.0), ("1E-1", 0.1)],
)
def test_numbers_between_semicolons(cell: str, number: float) -> None:
    assert NumberParser("a.csv", ";").parse(1, "x", cell) == number


@pytest.mark.parametrize("cell", ["", " ", "NaN", "#N/A", "#NV", "null", "n/a"])
def test_missing_values(cell: str) -> None:
    assert np.isnan(NumberParser("a.csv", ",").parse(1, "x", cell))


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("a,b", ","),
        ("a;b", ";"),
        ("a\tb", "\t"),
        ('"a;b",c', ","),
        ("\n\n0,5;1", ";"),
        ("", ","),
        ("sep=|\na,b;c", "|"),
        ('"sep=\t"\na', "\t"),
        ("0.3,\t4", ","),
        ("SEP=;\r\na", ";"),
    ],
)
def test_the_first_row_shows_the_separator(text: str, separator: str) -> None:
    assert find_separator(text) == separator


def test_columns_of_one_name_are_refused() -> None:
    text = b"x,y,x\n0,0,1\n"
    with pytest.raises(DataError, match="two columns are called x"):
        read_points(NumberFile("p.csv", ".csv", text))


def test_text_of_other_encodings_names_the_line() -> None:
    with pytest.raises(DataError, match=r"^a\.csv: line 2 is not UTF-8 text; save the file"):
        decode_text("a.csv", "x,y\nLänge,1\n".encode("latin-1"))


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_200_000_pairs_are_read_in_seconds(suffix: str) -> None:
    numbers = np.random.default_rng(0).random((200_000, 4))
    if suffix == ".csv":
        rows = "\n".join(",".join(map(repr, row)) for row in numbers.tolist())
        data = f"{','.join(odd.NAMES)}\n{rows}\n"
    else:
        data = json.dumps({"source": numbers[:, :2].tolist(), "target": numbers[:, 2:].tolist()})
    start = time.process_time()
    [pairs] = read_point_pairs(NumberFile("p", suffix, data.encode()))
    assert time.process_time() - start < 10  # 1 s
    np.testing.assert_array_equal(np.hstack([pairs.source, pairs.target]), numbers)
