"""CSV files of precomputed values."""

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.errors import DataError
from cpabmm_core.files.lines import quote
from cpabmm_core.files.rows import read_text_table
from cpabmm_core.files.text import decode_text

_SETS = ("real", "generated")
_PLACE = ("set", "video", "frame")
_POINT = ("joint", "x", "y")


class CsvArrays(Mapping[str, NDArray[Any]]):
    """A mapping from ``real/NAME`` and ``generated/NAME`` to the values of a video.

    Args:
        path: the file, for error messages.
        rows: flat rows of each video: frame, joint, then the values.
        values: number of values in a row.
        joints: number of joints per frame; None for identities.
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
        """Return the (F, J, 2) keypoints or (F, D) identities of a video."""
        table = np.frombuffer(self._rows[key]).reshape(-1, 2 + self._values)
        frames, joints = table[:, :2].astype(np.intp).T
        count, slots = int(frames.max()) + 1, self._joints or 1
        # Each slot of a frame needs exactly one row. Comparing the counts first bounds the memory
        # by the number of rows, whatever frame numbers the file contains.
        if count * slots == len(table):
            places = frames * slots + joints
            order = np.argsort(places, kind="stable")
            if (places[order] == np.arange(len(table))).all():
                values = table[order, 2:]
                return values if self._joints is None else values.reshape(count, slots, 2)
        raise DataError(f"{self._path}: {key}: {self._describe_gap(frames, joints)}")

    def _describe_gap(self, frames: NDArray[np.intp], joints: NDArray[np.intp]) -> str:
        """Describe the first line that is missing or duplicated."""
        lines = sorted(zip(frames.tolist(), joints.tolist(), strict=True))
        slots = self._joints or 1
        for number, (frame, joint) in enumerate(lines):
            expected = divmod(number, slots)
            if (frame, joint) != expected:
                duplicated = (frame, joint) < expected
                break
        else:
            expected, duplicated = divmod(len(lines), slots), False
        frame, joint = (frame, joint) if duplicated else expected
        place = f"frame {frame}" + ("" if self._joints is None else f", joint {joint}")
        if duplicated:
            return f"has two lines for {place}; keep one"
        return f"has no line for {place}; add one, with empty cells if nothing was found"


def read_csv(path: Path, kind: Literal["keypoints", "identity"]) -> CsvArrays:
    """Read all values of a file.

    Raises:
        DataError: the file is not a table of this kind.
    """
    table = read_text_table(str(path), decode_text(str(path), path.read_bytes()))
    header = table.header
    names = _columns(path, header, kind)
    order = [header.index(name) for name in names]
    rows: dict[str, array[float]] = defaultdict(lambda: array("d"))
    joints = 0
    for number, line in table.rows:
        set_name, video, frame, *cells = (line[index].strip() for index in order)
        if set_name not in _SETS:
            raise DataError(
                f"{path}: line {number}: set is {quote(set_name)}, expected real or generated"
            )
        joint = 0
        if kind == "keypoints":
            joint = _parse_index(path, number, "joint", cells.pop(0))
            joints = max(joints, joint + 1)
        values = [table.numbers.parse(number, "a value", cell) for cell in cells]
        rows[f"{set_name}/{video}"].extend(
            [_parse_index(path, number, "frame", frame), joint, *values]
        )
    is_points = kind == "keypoints"
    own = len(names) - len(_PLACE) - (1 if is_points else 0)
    return CsvArrays(path, dict(rows), own, joints if is_points else None)


def _columns(path: Path, header: list[str], kind: str) -> list[str]:
    """Return the columns in the order of a row."""
    if kind == "keypoints":
        names = [*_PLACE, *_POINT]
        expected = ",".join(names)
    else:
        names = [*_PLACE, *(f"e{number}" for number in range(max(len(header) - len(_PLACE), 1)))]
        expected = f"{','.join(_PLACE)},e0,e1,..."
    if sorted(header) != sorted(names):
        raise DataError(f"{path}: wrong columns for {kind}; expected {expected}")
    return names


def _parse_index(path: Path, line: int, column: str, cell: str) -> int:
    if not (cell.isascii() and cell.isdigit() and len(cell) < 10):
        raise DataError(f"{path}: line {line}: {column} is {quote(cell)}; count from 0")
    return int(cell)
