"""Points of the unit square, read from and written to files."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.arrays import Array
from cpabmm_core.errors import DataError
from cpabmm_core.pointsets.number_arrays import as_numbers
from cpabmm_core.pointsets.number_files import NumberFile, open_number_file

POINT_SUFFIXES = (".json", ".csv", ".npz", ".txt")
"""Suffixes of the files that `read_points` accepts."""

REACH = 0.5
"""How far outside the unit square a point may lie; beyond that it is likely to be in pixels."""

_LAYOUT = 'expected [[x, y], ...] or {"points": [[x, y], ...]}'


def read_points(file: NumberFile | str | Path) -> Array:  # (P, 2) in the unit square
    """Read points from a JSON, CSV, NPZ or text file.

    JSON: ``[[x, y], ...]`` or ``{"points": [[x, y], ...]}``. CSV: the columns x and y, or two
    numbers per line without a header. NPZ: the array points, (P, 2). Text: two numbers per line.

    Args:
        file: a path, or the content of a file.

    Returns:
        The points, float64.

    Raises:
        DataError: the layout is wrong, a value is not a number, there are no points, or a point is
            not finite or more than half a side outside the unit square.

    Example:
        >>> from cpabmm_core.pointsets import NumberFile
        >>> read_points(NumberFile("points.json", ".json", b"[[0.5, 0.25]]")).tolist()
        [[0.5, 0.25]]
    """
    file = open_number_file(file, POINT_SUFFIXES)
    points = _parse_points(file)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise DataError(f"{file.name}: expected one or more [x, y], got shape {points.shape}")
    check_points(file.name, "point", points)
    return points


def check_points(
    where: str,
    what: str,
    points: Array,  # (P, 2)
    counting: NDArray[np.bool_] | None = None,  # (P,)
) -> None:
    """Check that the points that count are finite and not far outside the unit square.

    Args:
        where: name of the file, for the error message.
        what: name of a point, for the error message.
        points: the points.
        counting: which points count; None checks all.

    Raises:
        DataError: a point is not finite or far outside.
    """
    near = (np.abs(points - 0.5) <= 0.5 + REACH).all(axis=1)
    wrong = np.flatnonzero(~near if counting is None else counting & ~near)
    if not len(wrong):
        return
    index = int(wrong[0])
    x, y = points[index]
    point = f"{where}: {what} {index + 1} is ({x:g}, {y:g})"
    if not np.isfinite(points[index]).all():
        cure = "leave it out" if counting is None else "leave the pair out or give it weight 0"
        raise DataError(f"{point}, not finite (NaN or infinity); {cure}")
    raise DataError(
        f"{point}, far outside the unit square (allowed: {-REACH:g} to {1 + REACH:g}); "
        "divide pixel positions by width - 1 and height - 1"
    )


def format_points(
    names: Sequence[str],
    points: Array,  # (N, P, 2)
    suffix: str,
) -> bytes:
    """Format N named sets of points as the content of a CSV, NPZ or text file.

    CSV: the columns x and y, preceded by pair, the name of the set, if N > 1. NPZ: the array
    points, (P, 2), or for N > 1 the arrays points, (N, P, 2), and names, (N,). Text: two numbers
    per line, with an empty line between sets.

    Args:
        names: names of the sets.
        points: points of each set.
        suffix: ``.csv``, ``.npz`` or ``.txt``.

    Returns:
        The content of the file.
    """
    several = len(names) > 1
    if suffix == ".npz":
        archive = io.BytesIO()
        if several:
            np.savez(archive, points=points, names=np.array(names))
        else:
            np.savez(archive, points=points[0])
        return archive.getvalue()
    text = io.StringIO(newline="")
    if suffix == ".csv":
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["pair", "x", "y"] if several else ["x", "y"])
        for name, moved in zip(names, points.tolist(), strict=True):
            rows.writerows([[name, *point] if several else point for point in moved])
    else:
        blocks = [[f"{x:.12g} {y:.12g}\n" for x, y in moved] for moved in points.tolist()]
        text.write("\n".join("".join(block) for block in blocks))
    return text.getvalue().encode()


def _parse_points(file: NumberFile) -> Array:
    if file.suffix == ".json":
        value = file.json()
        if isinstance(value, dict):
            if "points" not in value:
                raise DataError(f"{file.name}: {_LAYOUT}")
            value = value["points"]
        return as_numbers(file.name, "points", value)
    if file.suffix == ".npz":
        arrays = file.arrays(["points"])
        if "points" not in arrays:
            raise DataError(f"{file.name}: expected the array points, (P, 2)")
        return as_numbers(file.name, "points", arrays["points"])
    if file.is_plain_numbers():
        return file.numbers()
    table = file.table()
    if not {"x", "y"} <= set(table.header):
        raise DataError(f"{file.name}: expected the columns x and y, or two numbers per line")
    return table.numbers(["x", "y"])
