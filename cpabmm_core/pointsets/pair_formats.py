"""The three forms in which a file may hold sets of point pairs, read but not yet judged."""

import difflib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.arrays import Array
from cpabmm_core.errors import DataError
from cpabmm_core.pointsets.number_files import NumberFile, as_numbers

PAIR_SUFFIXES = (".json", ".csv", ".npz")

_COLUMNS = ("source_x", "source_y", "target_x", "target_y")
_SET = '{"source": [[x, y], ...], "target": [[x, y], ...]}'


@dataclass(frozen=True, eq=False)
class RawPairs:
    """A set of pairs as the file has it."""

    name: str | None
    source: Array  # (P, 2)
    target: Array  # (P, 2)
    weights: Array | None  # (P,)
    places: NDArray[np.int64]  # (P,)
    """Place of each pair among all pairs of the file."""


def read_raw_pairs(file: NumberFile) -> list[RawPairs]:
    """The sets in a JSON, CSV or NPZ file, whatever their numbers are.

    Raises:
        DataError: another form, not a number, shapes that differ, or no set at all.
    """
    return _READERS[file.suffix](file)


def of_set(file: str, name: str | None, number: int, count: int) -> str:
    """What errors call one of the `count` sets of a file."""
    return file if count == 1 else f"{file}: set {number if name is None else repr(name)}"


def check_names(file: str, names: Sequence[str]) -> None:
    """Check that sets can be told apart by their names, on a line and in the name of a file.

    Raises:
        DataError: a name that is empty, not printable, or given twice.
    """
    counts = Counter(names)
    for name in names:
        if not name or not name.isprintable():
            raise DataError(f"{file}: {name!r} cannot be the name of a set; use printable signs")
        if counts[name] > 1:
            raise DataError(f"{file}: two sets are called {name!r}; give each a name of its own")


def _from_json(file: NumberFile) -> list[RawPairs]:
    value = file.json()
    items = value if isinstance(value, list) else [value]
    if not items:
        raise DataError(f"{file.name}: holds no set of pairs; expected {_SET}, or a list of such")
    sets: list[RawPairs] = []
    for number, item in enumerate(items, start=1):
        where = of_set(file.name, None, number, len(items))
        if not isinstance(item, dict):
            raise DataError(f"{where}: expected {_SET}, or a list of such")
        _check_keys(where, item, ("source", "target"), ("name", "weights"), f"expected {_SET}")
        name = item.get("name")
        if not isinstance(name, str | int | None):
            raise DataError(f"{where}: name is {name!r}; expected a text or a whole number")
        first = sum(len(pairs.source) for pairs in sets)
        sets.append(_raw_pairs(where, None if name is None else str(name), item, first))
    return sets


def _from_npz(file: NumberFile) -> list[RawPairs]:
    arrays = file.arrays()
    wanted = "expected the arrays source and target, (P, 2) or (N, P, 2)"
    _check_keys(file.name, arrays, ("source", "target"), ("weights", "names"), wanted)
    arrays = {key: arrays[key] for key in ("source", "target", "weights", "names") if key in arrays}
    if arrays["source"].ndim != 3:
        return [_raw_pairs(file.name, None, arrays, 0)]
    count, length = arrays["source"].shape[:2]
    if not count:
        raise DataError(f"{file.name}: holds no set of pairs; {wanted}")
    if any(array.shape[:1] != (count,) for array in arrays.values()):
        shapes = ", ".join(f"{key} {array.shape}" for key, array in arrays.items())
        raise DataError(f"{file.name}: expected as many sets in each array, got {shapes}")
    names = arrays.pop("names", np.full(count, None))
    return [
        _raw_pairs(
            of_set(file.name, None, index + 1, count),
            None if name is None else str(name),
            {key: array[index] for key, array in arrays.items()},
            index * length,
        )
        for index, name in enumerate(names)
    ]


def _from_csv(file: NumberFile) -> list[RawPairs]:
    table = file.table()
    wanted = f"expected the columns {', '.join(_COLUMNS)} in the first line, commas between them"
    _check_keys(file.name, table.header, _COLUMNS, ("pair", "weight"), wanted)
    points = table.numbers(_COLUMNS)
    weights = table.numbers(["weight"])[:, 0] if "weight" in table.header else None
    names = table.column("pair") if "pair" in table.header else [None] * len(points)
    rows: dict[str | None, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    if not rows:
        raise DataError(f"{file.name}: holds no pair; write one a line under the columns' names")
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
    """Others may stand beside them, but a slip of the pen would be a weight passed over."""
    if not set(needed) <= set(got):
        raise DataError(f"{where}: {wanted}")
    for key in optional:
        if key not in got and (slips := difflib.get_close_matches(key, got, n=1, cutoff=0.8)):
            raise DataError(f"{where}: holds {slips[0]}; did you mean {key}?")


def _raw_pairs(where: str, name: str | None, values: Mapping[str, Any], first: int) -> RawPairs:
    source, target = (_as_points(where, key, values[key]) for key in ("source", "target"))
    if len(source) != len(target):
        raise DataError(
            f"{where}: expected as many target as source points, "
            f"got {len(source)} source and {len(target)} target points"
        )
    weights = None
    if values.get("weights") is not None:
        weights = as_numbers(where, "weights", values["weights"])
        if weights.shape != (len(source),):
            raise DataError(
                f"{where}: expected weights of shape ({len(source)},), one for each pair, "
                f"got {weights.shape}"
            )
    return RawPairs(name, source, target, weights, first + np.arange(len(source)))


def _as_points(where: str, key: str, values: object) -> Array:  # (P, 2)
    points = as_numbers(where, key, values)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise DataError(f"{where}: expected {key} as one or more [x, y], got shape {points.shape}")
    return points
