"""Parsing of sets of point pairs from JSON, CSV and NPZ, without checks of their values."""

import difflib
import reprlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cpabmm_core.arrays import Array, IntArray
from cpabmm_core.errors import DataError
from cpabmm_core.files.lines import quote
from cpabmm_core.pointsets.number_arrays import as_numbers
from cpabmm_core.pointsets.number_files import NumberFile

PAIR_SUFFIXES = (".json", ".csv", ".npz")
"""Suffixes of the files that `read_point_pairs` accepts."""

_LONGEST_NAME = 100  # it becomes part of file names
_COLUMNS = ("source_x", "source_y", "target_x", "target_y")
_SET = '{"source": [[x, y], ...], "target": [[x, y], ...]}'


@dataclass(frozen=True, eq=False)
class RawPairs:
    """A set of pairs as read from the file, unchecked."""

    name: str | None
    """The name in the file, if any."""
    source: Array
    """(P, 2) source points."""
    target: Array
    """(P, 2) target points."""
    weights: Array | None
    """(P,) weights in the file, if any."""
    indices: IntArray
    """(P,) index of each pair among all pairs of the file."""


def read_raw_pairs(file: NumberFile) -> list[RawPairs]:
    """Parse the sets of a JSON, CSV or NPZ file without checking their values.

    Raises:
        DataError: the layout is wrong, a value is not a number, shapes differ, or there is no set.
    """
    return _READERS[file.suffix](file)


def name_set(file: str, name: str | None, number: int, count: int) -> str:
    """Return the name, for error messages, of one of the `count` sets of a file."""
    return file if count == 1 else f"{file}: set {number if name is None else repr(name)}"


def check_names(file: str, names: Sequence[str]) -> None:
    """Check that names are unique and can stand on a line and in a file name.

    Raises:
        DataError: a name is empty, too long, not printable, or repeated.
    """
    counts = Counter(names)
    for name in names:
        if not name or not name.isprintable() or len(name) > _LONGEST_NAME:
            raise DataError(
                f"{file}: {reprlib.repr(name)} cannot name a set; "
                f"use 1 to {_LONGEST_NAME} printable characters"
            )
        if counts[name] > 1:
            raise DataError(f"{file}: two sets are called {name!r}; give each its own name")


def _from_json(file: NumberFile) -> list[RawPairs]:
    value = file.json()
    items = value if isinstance(value, list) else [value]
    if not items:
        raise DataError(f"{file.name}: has no set of pairs; expected {_SET} or a list of these")
    sets: list[RawPairs] = []
    for number, item in enumerate(items, start=1):
        where = name_set(file.name, None, number, len(items))
        if not isinstance(item, dict):
            raise DataError(f"{where}: expected {_SET} or a list of these")
        _check_keys(where, item, ("source", "target"), ("name", "weights"), f"expected {_SET}")
        name = item.get("name")
        if not isinstance(name, str | int | None):
            raise DataError(f"{where}: name is {quote(name)}; expected a string or an integer")
        first = sum(len(pairs.source) for pairs in sets)
        sets.append(_raw_pairs(where, None if name is None else str(name), item, first))
    return sets


def _from_npz(file: NumberFile) -> list[RawPairs]:
    wanted = "expected the arrays source and target, (P, 2) or (N, P, 2)"
    needed, optional = ("source", "target"), ("weights", "names")
    _check_keys(file.name, file.array_names(), needed, optional, wanted)
    arrays = file.arrays([*needed, *optional])
    if arrays["source"].ndim != 3:
        return [_raw_pairs(file.name, None, arrays, 0)]
    count, length = arrays["source"].shape[:2]
    if not count:
        raise DataError(f"{file.name}: has no set of pairs; {wanted}")
    if any(array.shape[:1] != (count,) for array in arrays.values()):
        shapes = ", ".join(f"{key} {array.shape}" for key, array in arrays.items())
        raise DataError(f"{file.name}: expected equal numbers of sets in all arrays, got {shapes}")
    names = arrays.pop("names", np.full(count, None))
    return [
        _raw_pairs(
            name_set(file.name, None, index + 1, count),
            None if name is None else str(name),
            {key: array[index] for key, array in arrays.items()},
            index * length,
        )
        for index, name in enumerate(names)
    ]


def _from_csv(file: NumberFile) -> list[RawPairs]:
    table = file.table()
    wanted = f"expected the columns {', '.join(_COLUMNS)} in the first row"
    _check_keys(file.name, table.header, _COLUMNS, ("pair", "weight"), wanted)
    points = table.numbers(_COLUMNS)
    weights = table.numbers(["weight"])[:, 0] if "weight" in table.header else None
    names = table.column("pair") if "pair" in table.header else [None] * len(points)
    rows: dict[str | None, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    if not rows:
        raise DataError(f"{file.name}: has no pairs; write one per line below the column names")
    return [
        RawPairs(
            name,
            points[chosen, :2],
            points[chosen, 2:],
            None if weights is None else weights[chosen],
            np.array(chosen),
        )
        for name, chosen in rows.items()
    ]


_READERS: dict[str, Callable[[NumberFile], list[RawPairs]]] = {
    ".json": _from_json,
    ".csv": _from_csv,
    ".npz": _from_npz,
}


def _check_keys(
    where: str,
    got: Collection[str],
    needed: Collection[str],
    optional: Collection[str],
    wanted: str,
) -> None:
    """Check for missing and misspelt keys; other keys are allowed.

    A misspelt optional key would otherwise be ignored silently.
    """
    if not set(needed) <= set(got):
        raise DataError(f"{where}: {wanted}")
    for key in optional:
        if key not in got and (similar := difflib.get_close_matches(key, got, n=1, cutoff=0.8)):
            raise DataError(f"{where}: has the key {quote(similar[0])}; did you mean {key}?")


def _raw_pairs(where: str, name: str | None, values: Mapping[str, Any], first: int) -> RawPairs:
    source, target = (_as_points(where, key, values[key]) for key in ("source", "target"))
    if len(source) != len(target):
        raise DataError(
            f"{where}: expected equal numbers of source and target points, "
            f"got {len(source)} source and {len(target)} target points"
        )
    weights = None
    if values.get("weights") is not None:
        weights = as_numbers(where, "weights", values["weights"])
        if weights.shape != (len(source),):
            raise DataError(
                f"{where}: expected weights of shape ({len(source)},), one per pair, "
                f"got {weights.shape}"
            )
    return RawPairs(name, source, target, weights, first + np.arange(len(source)))


def _as_points(where: str, key: str, values: object) -> Array:  # (P, 2)
    points = as_numbers(where, key, values)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise DataError(f"{where}: expected {key} as one or more [x, y], got shape {points.shape}")
    return points
