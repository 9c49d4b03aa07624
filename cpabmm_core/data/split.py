"""The two sides of a data set: what a model is trained on, and what it is judged by."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from cpabmm_core.data.clip_set import StatusCallback, list_paths
from cpabmm_core.data.identities import group_by_identity
from cpabmm_core.errors import DataError

_NAMED = 5


class Subset(NamedTuple):
    """Clips of one folder."""

    folder: Path
    paths: list[Path] | None = None
    """Those of its clips that belong to this side, in natural order; None: all of them."""


class DataSplit(NamedTuple):
    """A data set in two."""

    train: Subset
    test: Subset


def split_data_set(data: Path, test_share: float, seed: int, report: StatusCallback) -> DataSplit:
    """Where a data set has its training and its test clips.

    They are in ``train`` and ``test``. Clips in a folder that has neither are split by identity
    (`data.identities`), so that nobody is on both sides. Which identities are held out depends on
    their names and the seed alone, not on the order of listing, nor on which clips can be read: the
    share of them whose hashes are smallest, but at least one, and never all. So one that is added
    moves at most one other across.

    Args:
        data: the data set's folder.
        test_share: share of the identities to hold out, in [0, 1); 0 holds out none.
        seed: of the split.
        report: is told of a split, in one line.

    Raises:
        DataError: the folder has neither ``train`` nor ``test`` nor a clip, or cannot be listed.
    """
    train, test = data / "train", data / "test"
    if train.exists() or test.exists() or not data.is_dir():
        return DataSplit(Subset(train), Subset(test))
    try:
        paths = list_paths(data)
    except DataError as error:
        raise DataError(f"{error}; or give a data set, a folder with train/ and test/") from None
    identities = group_by_identity(paths)
    held = hold_out(identities, test_share, seed)
    numbers = {number for name in held for number in identities[name]}
    if held:
        more = f" and {len(held) - _NAMED} more" if len(held) > _NAMED else ""
        report(
            f"{data}: has no train/ and test/; {len(held)} of {len(identities)} identities "
            f"({len(numbers)} of {len(paths)} clips) are held out for validation, by "
            f"data.test_share={test_share:g}: {', '.join(held[:_NAMED])}{more}"
        )
    return DataSplit(
        Subset(data, [path for k, path in enumerate(paths) if k not in numbers]),
        Subset(data, [path for k, path in enumerate(paths) if k in numbers]),
    )


def hold_out(identities: Iterable[str], share: float, seed: int) -> list[str]:
    """The identities that belong to the test side, by the rule of `split_data_set`."""
    ordered = sorted(identities, key=lambda name: _hash(name, seed))
    if not share or len(ordered) < 2:
        return []
    count = round(share * len(ordered))
    return ordered[: min(max(count, 1), len(ordered) - 1)]


def _hash(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} ".encode() + os.fsencode(name)).digest()
