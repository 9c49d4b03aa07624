"""Point pairs and points as spreadsheets save them. `PAIRS` are the true numbers."""

import codecs
import json
import zipfile
from pathlib import Path

import numpy as np

PAIRS = np.array([[0.5, 0.25, 0.5, 0.3], [0.125, 0.75, 0.2, 0.75], [0, 1, -0.0625, 1]])
"""(P, 4): x and y of the source, then of the target."""

NAMES = ("source_x", "source_y", "target_x", "target_y")


def pair_lines(separator: str, decimal: str = ".") -> list[str]:
    """Return the column names and the rows."""
    rows = [[f"{value:g}".replace(".", decimal) for value in row] for row in PAIRS.tolist()]
    return [separator.join(row) for row in (NAMES, *rows)]


def make_german_pairs(path: Path) -> None:
    """Write semicolons, decimal commas and CRLF, as Excel does in most of Europe."""
    path.write_bytes("".join(f"{line}\r\n" for line in pair_lines(";", ",")).encode())


def make_unicode_text_pairs(path: Path) -> None:
    """Write tabs and UTF-16, as Excel's "Unicode text"; the decimal mark is a comma."""
    path.write_bytes("".join(f"{line}\r\n" for line in pair_lines("\t", ",")).encode("utf-16"))


def make_separator_line_pairs(path: Path) -> None:
    """Write a byte order mark, a line ``sep=;`` and quoted numbers."""
    header, *rows = pair_lines(";")
    quoted = [";".join(f'"{cell}"' for cell in row.split(";")) for row in rows]
    text = "\n".join(["sep=;", header, *quoted])
    path.write_bytes(codecs.BOM_UTF8 + text.encode())


def make_padded_pairs(path: Path) -> None:
    """Write empty columns and rows around the numbers, and a column of row numbers."""
    header, *rows = pair_lines(",")
    lines = [",,,,,", "", f",{header},,", *(f"{i},{row},," for i, row in enumerate(rows)), ",,,,,,"]
    path.write_text("\n".join(lines) + "\n\n", newline="")


def make_comma_quoted_pairs(path: Path) -> None:
    """Write decimal commas in quotes, between commas."""
    header, *rows = pair_lines(";", ",")
    quoted = [",".join(f'"{cell}"' for cell in row.split(";")) for row in rows]
    path.write_text("\n".join([header.replace(";", ","), *quoted]))


def make_unquoted_comma_pairs(path: Path) -> None:
    """Write decimal commas between commas, which no reader can tell apart."""
    path.write_text("\n".join([",".join(NAMES), "0,5,0,25,0,5,0,3"]))


def make_thousands_pairs(path: Path) -> None:
    """Write numbers with thousands separators."""
    path.write_text("\n".join([";".join(NAMES), "0,5;0,25;1.234,5;0,3"]))


def make_mixed_mark_pairs(path: Path) -> None:
    """Write a decimal comma in one row and a decimal point in another."""
    path.write_text("\n".join([";".join(NAMES), "0,5;0,25;0,5;0,3", "0.5;0;0;0"]))


def make_missing_pairs(path: Path) -> None:
    """Write a German spreadsheet's missing values, in a pair of weight 0."""
    lines = [*pair_lines(";", ","), "#NV;#NV;;NaN"]
    weights = ["weight", "1", "1", "1", "0"]
    path.write_text("\n".join(f"{a};{b}" for a, b in zip(lines, weights, strict=True)))


def make_decimal_comma_points(path: Path) -> None:
    """Write points without column names, with decimal commas."""
    path.write_text("0,5;0,25\n1;0,75\n")


def make_repeated_key_pairs(path: Path) -> None:
    """Write a JSON object with a key twice."""
    path.write_text('{"source": [[0, 0]], "target": [[0, 0]], "target": [[1, 1]]}')


def make_deep_pairs(path: Path) -> None:
    """Write JSON lists 100,000 levels deep."""
    path.write_text('{"source": ' + "[" * 100_000 + "]" * 100_000 + ', "target": [[0, 0]]}')


def make_huge_number_pairs(path: Path) -> None:
    """Write a JSON integer of 400 digits."""
    path.write_text(json.dumps({"source": [[0, 10**400]], "target": [[0, 0]]}))


def make_text_number_pairs(path: Path) -> None:
    """Write a JSON string in place of a number."""
    path.write_text(json.dumps({"source": [["NaN", 0]], "target": [[0, 0]]}))


def make_ragged_pairs(path: Path) -> None:
    """Write a row of one number."""
    path.write_text(json.dumps({"source": [[0, 0], [1]], "target": [[0, 0], [1, 1]]}))


def make_long_name_pairs(path: Path) -> None:
    """Write a name that no file name can contain."""
    path.write_text(json.dumps({"name": 100_000 * "x", "source": [[0, 0]], "target": [[0, 0]]}))


def make_object_pairs(path: Path) -> None:
    """Write an NPZ array of Python objects."""
    objects = np.array([[0, 0]], dtype=object)
    np.savez(path, source=objects, target=np.zeros((1, 2)))


def make_short_archive(path: Path) -> None:
    """Write an NPZ whose header promises 4 GB, and little more."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("source.npy", "target.npy"):
            with archive.open(name, "w") as file:
                header = {"descr": "<f8", "fortran_order": False, "shape": (1 << 28, 2)}
                np.lib.format.write_array_header_1_0(file, header)
                file.write(bytes(1000))
