"""Precomputed values in a CSV file."""

import csv
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.errors import DataError

_SETS = ("real", "generated")
_PLACE = ("set", "video", "frame")
_POINT = ("joint", "x", "y")


class CsvArrays(Mapping[str, NDArray[Any]]):
    """The values of each video, by ``real/NAME`` and ``generated/NAME``.

    Args:
        path: the file, for errors.
        rows: of each video: frame, joint and then the values, one row after the other.
        values: numbers of values in a row.
        joints: of each frame; None where frames have no joints.
    """

    def __init__(
        self, path: Path, rows: dict[str, "array[float]"], values: int, joints: int | None
    ) -> None:
        self._path = path
        self._rows = rows
        self._values = values
        self._joints = joints

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: str, /) -> NDArray[np.float64]:
        """(F, J, 2) or (F, D)."""
        table = np.frombuffer(self._rows[key]).reshape(-1, 2 + self._values)
        frames, joints = table[:, :2].astype(np.intp).T
        count, slots = int(frames.max()) + 1, self._joints or 1
        # Of each slot of a frame there has to be one row. Before, the memory for all slots is
        # bounded by the rows: one absurd frame number must not ask for all there is.
        if count * slots == len(table):
            places = frames * slots + joints
            order = np.argsort(places, kind="stable")
            if (places[order] == np.arange(len(table))).all():
                values = table[order, 2:]
                return values if self._joints is None else values.reshape(count, slots, 2)
        raise DataError(f"{self._path}: {key}: {self._gap(frames, joints)}")

    def _gap(self, frames: NDArray[np.intp], joints: NDArray[np.intp]) -> str:
        """The first line that is missing or there twice."""
        lines = sorted(zip(frames.tolist(), joints.tolist(), strict=True))
        slots = self._joints or 1
        for number, (frame, joint) in enumerate(lines):
            wanted = divmod(number, slots)
            if (frame, joint) != wanted:
                twice = (frame, joint) < wanted
                break
        else:
            wanted, twice = divmod(len(lines), slots), False
        frame, joint = (frame, joint) if twice else wanted
        place = f"frame {frame}" + ("" if self._joints is None else f", joint {joint}")
        if twice:
            return f"has two lines for {place}; keep one"
        return f"has no line for {place}; write one, with empty cells if nothing was found"


def read_csv(path: Path, kind: Literal["keypoints", "identity"]) -> CsvArrays:
    """Read all values of a file.

    Raises:
        DataError: it is no such table.
    """
    lines = _lines(path)
    _, header = next(lines, (0, []))
    header = [name.strip() for name in header]
    names = _columns(path, header, kind)
    order = [header.index(name) for name in names]
    rows: dict[str, array[float]] = defaultdict(lambda: array("d"))
    joints = 0
    for number, line in lines:
        if len(line) != len(header):
            raise DataError(
                f"{path}: line {number} has {len(line)} fields, the first line {len(header)}; "
                "make them agree"
            )
        side, video, frame, *cells = (line[index].strip() for index in order)
        if side not in _SETS:
            raise DataError(f"{path}: line {number}: set is {side!r}; write real or generated")
        joint = 0
        if kind == "keypoints":
            joint = _count(path, number, "joint", cells.pop(0))
            joints = max(joints, joint + 1)
        values = [_value(path, number, cell) for cell in cells]
        rows[f"{side}/{video}"].extend([_count(path, number, "frame", frame), joint, *values])
    is_points = kind == "keypoints"
    own = len(names) - len(_PLACE) - (1 if is_points else 0)
    return CsvArrays(path, dict(rows), own, joints if is_points else None)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Lines that are not empty, with their numbers."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, skipinitialspace=True)
            for row in rows:
                if row:
                    yield rows.line_num, row
    except UnicodeDecodeError:
        raise DataError(f"{path}: cannot be read as UTF-8 text; save it as that") from None
    except csv.Error as error:
        raise DataError(f"{path}: not a valid CSV file ({error}); fix it") from None


def _columns(path: Path, header: list[str], kind: str) -> list[str]:
    """The columns in the order of a row."""
    if kind == "keypoints":
        names = [*_PLACE, *_POINT]
        wanted = ",".join(names)
    else:
        names = [*_PLACE, *(f"e{number}" for number in range(max(len(header) - len(_PLACE), 1)))]
        wanted = f"{','.join(_PLACE)},e0,e1,..."
    if sorted(header) != sorted(names):
        raise DataError(f"{path}: the columns are not those of {kind}; name them {wanted}")
    return names


def _count(path: Path, line: int, column: str, cell: str) -> int:
    if not (cell.isascii() and cell.isdigit() and len(cell) < 10):
        raise DataError(f"{path}: line {line}: {column} is {cell!r}; number them from 0")
    return int(cell)


def _value(path: Path, line: int, cell: str) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        raise DataError(
            f"{path}: line {line}: {cell!r} is not a number; correct it, or empty the cell"
        ) from None
