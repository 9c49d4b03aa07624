"""Sets of point pairs, read from files, that transformations are fitted to."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cpabmm_core.arrays import Array
from cpabmm_core.errors import DataError
from cpabmm_core.pointsets.number_arrays import as_numbers
from cpabmm_core.pointsets.number_files import NumberFile, open_number_file
from cpabmm_core.pointsets.pair_formats import (
    PAIR_SUFFIXES,
    RawPairs,
    check_names,
    name_set,
    read_raw_pairs,
)
from cpabmm_core.pointsets.points import check_points

WEIGHT_SUFFIXES = (".txt", ".csv", ".json", ".npy")
"""Suffixes of the files that `read_weights` accepts."""


@dataclass(frozen=True, eq=False)
class PointPairs:
    """Points and the positions that one transformation should move them to.

    Convention:
        (x, y) in the unit square [0, 1]^2, x to the right and y downwards. Row i of `source`
        belongs to row i of `target`. A pair of weight 0 is ignored and may contain NaN.

    Example:
        >>> source, target = np.array([[0.5, 0.5], [0.1, 0.1]]), np.zeros((2, 2))
        >>> PointPairs("face", source, target, np.array([1.0, 0.0])).counting().source.tolist()
        [[0.5, 0.5]]
    """

    name: str
    """The name of the set."""
    source: Array
    """(P, 2) source points."""
    target: Array
    """(P, 2) target points."""
    weights: Array
    """(P,) weights, at least 0 and not all 0."""

    def counting(self) -> "PointPairs":
        """Return only the pairs of positive weight."""
        kept = self.weights > 0
        return PointPairs(self.name, self.source[kept], self.target[kept], self.weights[kept])


class PairBatch(NamedTuple):
    """Sets of pairs, padded to one length with pairs of weight 0."""

    source: Array  # (B, P, 2)
    target: Array  # (B, P, 2)
    weights: Array  # (B, P)


def read_point_pairs(
    file: NumberFile | str | Path,
    weights: Array | None = None,  # (W,)
    *,
    own_weights: bool = True,
) -> list[PointPairs]:
    """Read sets of point pairs from a JSON, CSV or NPZ file.

    JSON: ``{"source": [[x, y], ...], "target": [[x, y], ...]}``, optionally with ``name`` and
    ``weights``, or a list of such sets. CSV: one pair per row in the columns source_x, source_y,
    target_x, target_y, optionally with the columns weight and pair, the name of the row's set. NPZ:
    the arrays source and target, (P, 2) or (N, P, 2), optionally with weights, (P,) or (N, P), and
    names, (N,). A set without a name takes its number in the file, from 1. Points may lie up to
    half a side outside the unit square.

    Args:
        file: a path, or the content of a file.
        weights: weights for a file without any: one per pair, in the order of the file, or one per
            pair of a set, shared by all sets.
        own_weights: use the weights in the file; otherwise every pair weighs 1.

    Returns:
        The sets in the order of the file.

    Raises:
        DataError: the layout is wrong, a value is not a number, shapes differ, weights are negative
            or given twice, a name is repeated, a set has no pair that counts, or a point that
            counts is not finite or far outside the unit square.

    Example:
        >>> from cpabmm_core.pointsets import NumberFile
        >>> text = b'{"name": "face", "source": [[0.5, 0.5]], "target": [[0.6, 0.5]]}'
        >>> [pairs] = read_point_pairs(NumberFile("pairs.json", ".json", text))
        >>> pairs.name, pairs.target.tolist()
        ('face', [[0.6, 0.5]])
    """
    file = open_number_file(file, PAIR_SUFFIXES)
    raw = read_raw_pairs(file)
    names = [str(i) if s.name is None else s.name for i, s in enumerate(raw, start=1)]
    check_names(file.name, names)
    all_weights = _weights(file.name, raw, weights, own_weights)
    sets = []
    for number, (name, pairs) in enumerate(zip(names, raw, strict=True), start=1):
        where = name_set(file.name, pairs.name, number, len(raw))
        own = all_weights[pairs.indices]
        _check_pairs(where, pairs, own)
        sets.append(PointPairs(name, pairs.source, pairs.target, own))
    return sets


def read_weights(file: NumberFile | str | Path) -> Array:  # (W,)
    """Read weights from a text file (one number per line), a JSON list or an NPY array.

    Args:
        file: a path, or the content of a file.

    Returns:
        The weights, flattened.

    Raises:
        DataError: a value is not a number, or rows differ in length.

    Example:
        >>> from cpabmm_core.pointsets import NumberFile
        >>> read_weights(NumberFile("weights.txt", ".txt", b"1 0.5")).tolist()
        [1.0, 0.5]
    """
    file = open_number_file(file, WEIGHT_SUFFIXES)
    if file.suffix == ".npy":
        return file.array().ravel()
    if file.suffix == ".json":
        return as_numbers(file.name, "the list", file.json()).ravel()
    return file.weights()


def stack_pairs(sets: Sequence[PointPairs]) -> PairBatch:
    """Stack sets into one batch; pad shorter ones with pairs of weight 0."""
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
                weights[pairs.indices] = pairs.weights
                if given is not None:
                    raise DataError(f"{file}: already has weights; give weights only once")
    if given is None:
        return weights
    if len(given) == len(weights):
        return given
    if set(counts) == {len(given)}:
        for pairs in sets:
            weights[pairs.indices] = given
        return weights
    raise DataError(f"{file}: expected {len(weights)} weights, one per pair, got {len(given)}")


def _check_pairs(where: str, pairs: RawPairs, weights: Array) -> None:
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        raise DataError(
            f"{where}: the weight of pair {wrong[0] + 1} is {weights[wrong[0]]:g}; "
            "expected a number of at least 0"
        )
    counting = weights > 0
    if not counting.any():
        raise DataError(f"{where}: all weights are 0; at least one pair must count")
    check_points(where, "source point", pairs.source, counting)
    check_points(where, "target point", pairs.target, counting)
