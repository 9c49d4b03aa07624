"""Pairs of points from a file: what `fit-cpab` fits a transformation to."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.errors import DataError

_COLUMNS = ("source_x", "source_y", "target_x", "target_y")


class PointPairs(NamedTuple):
    """Points and where a transformation should take them.

    Convention:
        (x, y) in the unit square [0, 1]^2, x to the right, y downwards; row i of `source` belongs
        to row i of `target`.
    """

    source: NDArray[np.float64]  # (P, 2) in [0, 1]
    target: NDArray[np.float64]  # (P, 2) in [0, 1]


def read_point_pairs(path: Path) -> PointPairs:
    """Read point pairs from a JSON, CSV or NPZ file, told apart by suffix.

    JSON: ``{"source": [[x, y], ...], "target": [[x, y], ...]}``. CSV: the columns source_x,
    source_y, target_x, target_y, one pair a row. NPZ: the arrays source and target, each (P, 2).

    Raises:
        DataError: no such file, another format, not a number, shapes that differ, no point at all,
            or points outside the unit square.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: expected point pairs in a .json, .csv or .npz file")
    if not path.is_file():
        raise DataError(f"{path}: no such file; give a .json, .csv or .npz file of point pairs")
    try:
        values = reader(path)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    pairs = PointPairs(*(_points(path, name, values[name]) for name in PointPairs._fields))
    if len(pairs.source) != len(pairs.target):
        raise DataError(
            f"{path}: expected as many target as source points, "
            f"got {len(pairs.source)} source and {len(pairs.target)} target points"
        )
    return pairs


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(values, dict) or not {"source", "target"} <= values.keys():
        raise DataError(f'{path}: expected {{"source": [[x, y], ...], "target": [[x, y], ...]}}')
    return values


def _read_csv(path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, skipinitialspace=True)
        if not set(_COLUMNS) <= set(rows.fieldnames or ()):
            raise DataError(f"{path}: expected the columns {', '.join(_COLUMNS)} in the first line")
        values = [[row[column] for column in _COLUMNS] for row in rows]
    return {"source": [row[:2] for row in values], "target": [row[2:] for row in values]}


def _read_npz(path: Path) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in PointPairs._fields}
    except KeyError as error:
        raise DataError(f"{path}: expected arrays source and target ({error.args[0]})") from None
    except Exception as error:  # numpy and zipfile raise a dozen classes for a damaged archive
        raise DataError(f"{path}: not a readable .npz archive ({error})") from None


_READERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    ".json": _read_json,
    ".csv": _read_csv,
    ".npz": _read_npz,
}


def _points(path: Path, name: str, values: object) -> NDArray[np.float64]:
    try:
        points = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{path}: {name} holds a ragged row, or what is no number") from None
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise DataError(f"{path}: expected {name} as one or more [x, y], got shape {points.shape}")
    if not np.isfinite(points).all():
        raise DataError(f"{path}: {name} holds NaN or infinity; leave such pairs out")
    if points.min() < 0 or points.max() > 1:
        raise DataError(
            f"{path}: expected {name} in the unit square, got values from {points.min():g} to "
            f"{points.max():g}; divide pixel positions by width and height"
        )
    return points
