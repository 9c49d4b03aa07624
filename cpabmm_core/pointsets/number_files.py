"""Files of numbers: JSON, CSV, NPZ, NPY or plain text, from a path or read from a stream before."""

import codecs
import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.arrays import Array
from cpabmm_core.errors import DataError
from cpabmm_core.files.checks import one_line

_MAGIC = {b"PK": ".npz", b"\x93NUMPY": ".npy"}


@dataclass(frozen=True)
class NumberFile:
    """What a file holds, not parsed yet."""

    name: str
    """What errors call it: a path, or ``standard input``."""
    suffix: str
    """The format: .json, .csv, .npz, .npy or .txt."""
    data: bytes

    def text(self) -> str:
        """The content as text, without a byte order mark.

        Raises:
            DataError: it is not UTF-8.
        """
        try:
            return self.data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise DataError(f"{self.name}: cannot be read as UTF-8 text; save it as that") from None

    def json(self) -> Any:  # noqa: ANN401  (whatever the file holds)
        """The JSON value.

        Raises:
            DataError: it is not valid JSON.
        """
        try:
            return json.loads(self.text())
        except (ValueError, RecursionError) as error:
            raise DataError(f"{self.name}: not valid JSON ({one_line(error)}); fix it") from None

    def table(self) -> "Table":
        """The CSV table, whose first line names the columns; empty lines are passed over.

        Raises:
            DataError: a line with more or fewer fields than columns, or what is no CSV.
        """
        rows = csv.reader(io.StringIO(self.text(), newline=""), skipinitialspace=True)
        try:
            header = [name.strip() for name in next(rows, [])]
            lines, cells = [], []
            for row in rows:
                if not row:
                    continue
                if len(row) != len(header):
                    raise DataError(
                        f"{self.name}: line {rows.line_num} has {len(row)} fields, "
                        f"the first line names {len(header)} columns; make them agree"
                    )
                lines.append(rows.line_num)
                cells.append(row)
        except csv.Error as error:
            raise DataError(f"{self.name}: not a valid CSV file ({error}); fix it") from None
        return Table(self.name, header, lines, cells)

    def is_plain_numbers(self) -> bool:
        """Whether the first line that is not empty is numbers, not names of columns."""
        first = next((line for line in self.text().splitlines() if line.strip()), "")
        try:
            [float(field) for field in _fields(first)]
        except ValueError:
            return False
        return True

    def numbers(self) -> Array:  # (rows, columns)
        """The numbers of each line, parted by blanks or commas; empty lines are passed over.

        Raises:
            DataError: what is no number, or lines of different lengths.
        """
        rows = []
        for number, line in enumerate(self.text().splitlines(), start=1):
            try:
                row = [float(field) for field in _fields(line)]
            except ValueError:
                raise DataError(
                    f"{self.name}: line {number}, {line.strip()!r}, is not numbers; correct it"
                ) from None
            rows.extend([row] if row else [])
        return as_numbers(self.name, "the file", rows)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays of the NPZ archive.

        Raises:
            DataError: not an archive, or not of plain arrays.
        """
        try:
            with np.load(io.BytesIO(self.data), allow_pickle=False) as arrays:
                return dict(arrays)
        except Exception as error:  # numpy and zipfile raise a dozen classes for a damaged archive
            raise DataError(
                f"{self.name}: not a readable .npz archive ({one_line(error)}); save it again"
            ) from None

    def array(self) -> Array:
        """The array of an NPY file.

        Raises:
            DataError: not a plain array of numbers.
        """
        try:
            array = np.load(io.BytesIO(self.data), allow_pickle=False)
        except Exception as error:  # as in `arrays`
            raise DataError(
                f"{self.name}: not a readable .npy file ({one_line(error)}); save it again"
            ) from None
        return as_numbers(self.name, "the array", array)


@dataclass(frozen=True)
class Table:
    """A CSV table."""

    name: str
    header: list[str]
    lines: list[int]
    """Line of each row in the file, from 1."""
    cells: list[list[str]]

    def column(self, name: str) -> list[str]:
        """The cells of a column."""
        index = self.header.index(name)
        return [row[index].strip() for row in self.cells]

    def numbers(self, names: Sequence[str]) -> Array:  # (rows, len(names))
        """Columns as numbers; an empty cell is NaN.

        Raises:
            DataError: a cell that holds no number.
        """
        columns = [
            [self._number(name, line, cell) for line, cell in zip(self.lines, cells, strict=True)]
            for name, cells in ((name, self.column(name)) for name in names)
        ]
        return np.array(columns, dtype=np.float64).T.reshape(len(self.lines), len(names))

    def _number(self, column: str, line: int, cell: str) -> float:
        try:
            return float(cell or "nan")
        except ValueError:
            raise DataError(
                f"{self.name}: line {line}: {column} is {cell!r}, not a number; correct it"
            ) from None


def read_number_file(path: Path, suffixes: Sequence[str]) -> NumberFile:
    """Read a file whose format its suffix tells, or a pipe, whose format its content tells.

    Args:
        path: the file, or a pipe such as a shell's process substitution.
        suffixes: the formats to take, such as ``(".json", ".csv")``.

    Raises:
        DataError: missing, a folder, unreadable, empty, or of another format.
    """
    wanted = f"give a {_any_of(suffixes)} file"
    try:
        if path.is_dir():
            raise DataError(f"{path}: is a folder; {wanted}")
        is_pipe = path.exists() and not path.is_file()
        if not is_pipe and path.suffix.lower() not in suffixes:
            got = f"suffix {path.suffix}" if path.suffix else "no suffix"
            raise DataError(f"{path}: {got}; {wanted}")
        data = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; {wanted}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({one_line(error)}); check the path") from None
    if is_pipe:
        return number_file(data, str(path), suffixes)
    if not data:
        raise DataError(f"{path}: is empty; write or fetch it again")
    return NumberFile(str(path), path.suffix.lower(), data)


def number_file(data: bytes, name: str, suffixes: Sequence[str]) -> NumberFile:
    """The content of a stream, whose format its first bytes tell: NPZ, NPY, JSON, or else CSV.

    Args:
        data: all of it.
        name: what errors call the stream.
        suffixes: the formats to take.

    Raises:
        DataError: it is empty or of another format.
    """
    head = data.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    if not head:
        raise DataError(f"{name}: is empty; send {_any_of(suffixes)} content")
    magic = [suffix for start, suffix in _MAGIC.items() if data.startswith(start)]
    suffix = magic[0] if magic else ".json" if head in b"[{" else ".csv"
    if suffix not in suffixes:
        raise DataError(f"{name}: holds {suffix} content; send {_any_of(suffixes)} content")
    return NumberFile(name, suffix, data)


def _any_of(suffixes: Sequence[str]) -> str:
    return " or ".join([*filter(None, [", ".join(suffixes[:-1])]), suffixes[-1]])


def _fields(line: str) -> list[str]:
    return line.replace(",", " ").split()


def as_numbers(file: str, what: str, values: object) -> Array:
    """Values of a file as float64; null is NaN.

    Args:
        file: name of the file, for the error.
        what: what they are in the file, for the error.
        values: nested lists, or an array.

    Raises:
        DataError: rows of different lengths, or what is no number.
    """
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biufO":  # complex numbers and texts would be converted
            raise TypeError
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise DataError(
            f"{file}: {what} holds rows of different lengths, or what is no number; correct it"
        ) from None
