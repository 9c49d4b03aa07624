"""CSV tables with named columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cpabmm_core.arrays import Array
from cpabmm_core.errors import DataError
from cpabmm_core.files.rows import NumberParser, read_text_table


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
    parser: NumberParser
    """Parses the numbers of the table."""

    def column(self, name: str) -> list[str]:
        """Return the cells of a column.

        Raises:
            DataError: two columns have that name.
        """
        if self.header.count(name) > 1:
            raise DataError(f"{self.name}: two columns are called {name}; delete one of them")
        index = self.header.index(name)
        return [row[index].strip() for row in self.cells]

    def numbers(self, names: Sequence[str]) -> Array:  # (rows, len(names))
        """Return columns as numbers; an empty cell is NaN.

        Raises:
            DataError: a cell is not a number, has thousands separators, or another decimal mark
                than others.
        """
        values = np.empty((len(self.lines), len(names)))
        columns = [self.column(name) for name in names]
        try:
            for index, column in enumerate(columns):
                values[:, index] = list(map(float, column))
            plain = not any("_" in cell for column in columns for cell in column)
        except ValueError:
            plain = False
        if not plain:  # float does not know decimal commas, and knows more than numbers
            for row, line in enumerate(self.lines):
                for index, name in enumerate(names):
                    values[row, index] = self.parser.parse(line, name, columns[index][row])
        return values


def parse_table(name: str, text: str) -> Table:
    """Parse the text of a CSV file whose first row names the columns; skip blank rows.

    Raises:
        DataError: a row has more or fewer fields than columns, or the text is not CSV.
    """
    table = read_text_table(name, text)
    lines, cells = [], []
    for line, row in table.rows:
        lines.append(line)
        cells.append(row)
    return Table(name, table.header, lines, cells, table.numbers)
