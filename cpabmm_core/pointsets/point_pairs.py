"""Sets of point pairs from a file: what `fit-cpab` fits transformations to."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cpabmm_core.arrays import Array
from cpabmm_core.errors import DataError
from cpabmm_core.pointsets.number_files import NumberFile, as_numbers
from cpabmm_core.pointsets.pair_formats import RawPairs, check_names, of_set, read_raw_pairs
from cpabmm_core.pointsets.points import check_points

WEIGHT_SUFFIXES = (".txt", ".csv", ".json", ".npy")


@dataclass(frozen=True, eq=False)
class PointPairs:
    """Points and where one transformation should take them.

    Convention:
        (x, y) in the unit square [0, 1]^2, x to the right, y downwards; row i of `source` belongs
        to row i of `target`. A pair of weight 0 does not count and may hold anything, NaN too.
    """

    name: str
    source: Array  # (P, 2)
    target: Array  # (P, 2)
    weights: Array  # (P,), >= 0 and at least one > 0

    def counting(self) -> "PointPairs":
        """The pairs whose weight is not 0."""
        kept = self.weights > 0
        return PointPairs(self.name, self.source[kept], self.target[kept], self.weights[kept])


class PairBatch(NamedTuple):
    """Sets of pairs padded to one length by pairs of weight 0."""

    source: Array  # (B, P, 2)
    target: Array  # (B, P, 2)
    weights: Array  # (B, P)


def read_point_pairs(
    file: NumberFile,
    weights: Array | None = None,  # (W,)
    *,
    own_weights: bool = True,
) -> list[PointPairs]:
    """Sets of point pairs in a JSON, CSV or NPZ file, in the order of the file.

    JSON: ``{"source": [[x, y], ...], "target": [[x, y], ...]}``, with ``name`` and ``weights`` if
    wanted, or a list of such sets. CSV: the columns source_x, source_y, target_x, target_y, one
    pair a row; if wanted weight, and pair, the name of the set that the row belongs to. NPZ: the
    arrays source and target, (P, 2) or (N, P, 2); if wanted weights, (P,) or (N, P), and names,
    (N,). A set without a name is called by its number in the file, from 1. Points may lie up to
    half a side outside the unit square.

    Args:
        file: the content.
        weights: of all pairs in the order of the file, or of the pairs of one set, for each set
            alike; for a file without weights of its own.
        own_weights: whether the file's own weights count; else each pair weighs 1.

    Raises:
        DataError: another form, not a number, shapes that differ, weights that are given twice or
            negative, two sets of one name, a set without a pair that counts, and in pairs that
            count, points that are not finite or far outside the unit square.
    """
    raw = read_raw_pairs(file)
    names = [str(i) if s.name is None else s.name for i, s in enumerate(raw, start=1)]
    check_names(file.name, names)
    all_weights = _weights(file.name, raw, weights, own_weights)
    sets = []
    for number, (name, pairs) in enumerate(zip(names, raw, strict=True), start=1):
        where = of_set(file.name, pairs.name, number, len(raw))
        own = all_weights[pairs.places]
        _check_pairs(where, pairs, own)
        sets.append(PointPairs(name, pairs.source, pairs.target, own))
    return sets


def read_weights(file: NumberFile) -> Array:  # (W,)
    """Weights from a text file (a number a line), a JSON list or an NPY array, flattened.

    Raises:
        DataError: not numbers, or rows of different lengths.
    """
    if file.suffix == ".npy":
        return file.array().ravel()
    if file.suffix == ".json":
        return as_numbers(file.name, "the list", file.json()).ravel()
    return file.numbers().ravel()


def stack_pairs(sets: list[PointPairs]) -> PairBatch:
    """One batch of all sets, the shorter ones padded by pairs of weight 0."""
    length = max(len(pairs.source) for pairs in sets)
    source = np.full((len(sets), length, 2), 0.5)
    target, weights = source.copy(), np.zeros((len(sets), length))
    for row, pairs in enumerate(sets):
        count = len(pairs.source)
        source[row, :count] = pairs.source
        target[row, :count] = pairs.target
        weights[row, :count] = pairs.weights
    return PairBatch(source, target, weights)


def _weights(
    file: str, sets: list[RawPairs], given: Array | None, own_weights: bool
) -> Array:  # (pairs of the file,)
    counts = [len(pairs.source) for pairs in sets]
    weights = np.ones(sum(counts))
    if own_weights:
        for pairs in sets:
            if pairs.weights is not None:
                weights[pairs.places] = pairs.weights
                if given is not None:
                    raise DataError(f"{file}: has weights of its own; give no others beside them")
    if given is None:
        return weights
    if len(given) == len(weights):
        return given
    if set(counts) == {len(given)}:
        for pairs in sets:
            weights[pairs.places] = given
        return weights
    raise DataError(f"{file}: expected {len(weights)} weights, one for each pair, got {len(given)}")


def _check_pairs(where: str, pairs: RawPairs, weights: Array) -> None:
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        raise DataError(
            f"{where}: the weight of pair {wrong[0] + 1} is {weights[wrong[0]]:g}; "
            "expected a number from 0 up"
        )
    counting = weights > 0
    if not counting.any():
        raise DataError(f"{where}: every weight is 0; at least one pair must count")
    check_points(where, "source point", pairs.source, counting)
    check_points(where, "target point", pairs.target, counting)
