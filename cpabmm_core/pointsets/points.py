"""Points of the unit square from and to files: what a fitted transformation is applied to."""

import csv
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.arrays import Array
from cpabmm_core.errors import DataError
from cpabmm_core.pointsets.number_files import NumberFile, as_numbers

POINT_SUFFIXES = (".json", ".csv", ".npz", ".txt")

REACH = 0.5
"""How far outside the unit square a point may lie: farther out it will be one in pixels."""

_FORM = 'expected [[x, y], ...] or {"points": [[x, y], ...]}'


def read_points(file: NumberFile) -> Array:  # (P, 2) in the unit square
    """Points from a JSON, CSV, NPZ or text file.

    JSON: ``[[x, y], ...]`` or ``{"points": [[x, y], ...]}``. CSV: the columns x and y, or two
    numbers a line without names. NPZ: the array points, (P, 2). Text: two numbers a line.

    Raises:
        DataError: another form, not a number, no point, or points that are not finite or more than
            half a side outside the unit square.
    """
    points = _points(file)
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
    """Check that points (those that count) are finite and not far outside the unit square.

    Raises:
        DataError: one is not; `where` names the file, `what` the points.
    """
    near = (np.abs(points - 0.5) <= 0.5 + REACH).all(axis=1)
    wrong = np.flatnonzero(~near if counting is None else counting & ~near)
    if not len(wrong):
        return
    index = int(wrong[0])
    x, y = points[index]
    told = f"{where}: {what} {index + 1} is ({x:g}, {y:g})"
    if not np.isfinite(points[index]).all():
        cure = "leave it out" if counting is None else "leave the pair out or give it weight 0"
        raise DataError(f"{told}, not finite (NaN or infinity); {cure}")
    raise DataError(
        f"{told}, far outside the unit square (allowed: {-REACH:g} to {1 + REACH:g}); "
        "divide pixel positions by width - 1 and height - 1"
    )


def format_points(
    names: Sequence[str],
    points: Array,  # (N, P, 2)
    suffix: str,
) -> bytes:
    """N named sets of points as the content of a CSV, NPZ or text file.

    CSV: the columns x and y, and before them pair, the set's name, where N > 1. NPZ: the array
    points, (P, 2), or where N > 1 (N, P, 2) beside names, (N,). Text: two numbers a line, sets
    parted by an empty line.

    Args:
        names: of the sets.
        points: those of each set.
        suffix: ``.csv``, ``.npz`` or ``.txt``.
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


def _points(file: NumberFile) -> Array:
    if file.suffix == ".json":
        value = file.json()
        if isinstance(value, dict):
            if "points" not in value:
                raise DataError(f"{file.name}: {_FORM}")
            value = value["points"]
        return as_numbers(file.name, "points", value)
    if file.suffix == ".npz":
        arrays = file.arrays()
        if "points" not in arrays:
            raise DataError(f"{file.name}: expected the array points, (P, 2)")
        return as_numbers(file.name, "points", arrays["points"])
    if file.is_plain_numbers():
        return file.numbers()
    table = file.table()
    if not {"x", "y"} <= set(table.header):
        raise DataError(f"{file.name}: expected the columns x and y, or two numbers a line")
    return table.numbers(["x", "y"])
