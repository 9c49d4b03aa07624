"""CSV tables with named columns."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cpabmm_core.arrays import Array
from cpabmm_core.errors import DataError


@dataclass(frozen=True)
class Table:
    """A CSV table."""

    name: str
    """The name of the file in error messages."""
    header: list[str]
    """The column names."""
    lines: list[int]
    """Line number of each row in the file, from 1."""
    cells: list[list[str]]
    """The fields of each row."""

    def column(self, name: str) -> list[str]:
        """Return the cells of a column."""
        index = self.header.index(name)
        return [row[index].strip() for row in self.cells]

    def numbers(self, names: Sequence[str]) -> Array:  # (rows, len(names))
        """Return columns as numbers; an empty cell is NaN.

        Raises:
            DataError: a cell is not a number.
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


def parse_table(name: str, text: str) -> Table:
    """Parse the text of a CSV file whose first line names the columns; skip empty lines.

    Raises:
        DataError: a line has more or fewer fields than columns, or the text is not CSV.
    """
    rows = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        header = [column.strip() for column in next(rows, [])]
        lines, cells = [], []
        for row in rows:
            if not row:
                continue
            if len(row) != len(header):
                raise DataError(
                    f"{name}: line {rows.line_num} has {len(row)} fields, "
                    f"the first line names {len(header)} columns; make them agree"
                )
            lines.append(rows.line_num)
            cells.append(row)
    except csv.Error as error:
        raise DataError(f"{name}: not a valid CSV file ({error}); fix it") from None
    return Table(name, header, lines, cells)
