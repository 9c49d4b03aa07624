"""The split of a data set into a training set and a test set."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from cpabmm_core.data.identities import group_by_identity
from cpabmm_core.errors import DataError
from cpabmm_core.media.clip_listing import list_clips
from cpabmm_core.progress import StatusCallback

_NAMED = 5


class Subset(NamedTuple):
    """The training set or the test set, a folder and the clips to use.

    Example:
        >>> from pathlib import Path
        >>> from cpabmm_core.config import DataConfig
        >>> from cpabmm_core.data import FramesDataset, Subset
        >>> def open_subset(subset: Subset) -> FramesDataset:
        ...     return FramesDataset(subset.folder, DataConfig(), paths=subset.paths)
        >>> Subset(Path("puppets/train")).paths is None
        True
    """

    folder: Path
    paths: list[Path] | None = None
    """The clips of the folder that belong to this set, in natural order; None means all."""


class DataSplit(NamedTuple):
    """A training set and a test set; `split_data_set` finds them.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from cpabmm_core.data import split_data_set
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("train", "test"):
        ...         Path(folder, name).mkdir()
        ...     split = split_data_set(Path(folder), test_share=0.1, seed=0, report=print)
        >>> split.train.folder.name, split.test.folder.name
        ('train', 'test')
    """

    train: Subset
    test: Subset


def split_data_set(data: Path, test_share: float, seed: int, report: StatusCallback) -> DataSplit:
    """Find the training set and the test set of a data set.

    They are the sub-folders ``train`` and ``test``. If the folder has neither, its clips are split
    by identity (`data.identities`), so that no identity is in both sets. The test set consists of
    the given share of the identities, at least one and never all, with the smallest hashes of name
    and seed. The split depends neither on the order of the files nor on which clips are readable,
    and adding an identity moves at most one other.

    Args:
        data: folder of the data set.
        test_share: share of the identities in the test set, in [0, 1).
        seed: seed of the split.
        report: called with one line if the clips are split, and one that names what `list_clips`
            passed over, if anything.

    Returns:
        The two sets.

    Raises:
        DataError: the folder contains neither ``train`` nor ``test`` nor a clip, or cannot be
            listed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from cpabmm_core.data import split_data_set
        >>> temporary = tempfile.TemporaryDirectory()
        >>> folder = Path(temporary.name)
        >>> for name in ("anna#1.mp4", "anna#2.mp4", "bert#1.mp4"):
        ...     (folder / name).touch()
        >>> split = split_data_set(folder, test_share=0.3, seed=0, report=lambda line: None)
        >>> [path.name for path in split.train.paths], [path.name for path in split.test.paths]
        (['anna#1.mp4', 'anna#2.mp4'], ['bert#1.mp4'])
        >>> temporary.cleanup()
    """
    train, test = data / "train", data / "test"
    if train.exists() or test.exists() or not data.is_dir():
        return DataSplit(Subset(train), Subset(test))
    try:
        paths = list_clips(data, report)
    except DataError as error:
        raise DataError(f"{error}, or give a folder with train/ and test/") from None
    identities = group_by_identity(paths)
    held = hold_out(identities, test_share, seed)
    numbers = {number for name in held for number in identities[name]}
    if held:
        more = f" and {len(held) - _NAMED} more" if len(held) > _NAMED else ""
        report(
            f"{data}: has no train/ and test/; holding out {len(held)} of {len(identities)} "
            f"identities ({len(numbers)} of {len(paths)} clips) for validation "
            f"(data.test_share={test_share:g}): {', '.join(held[:_NAMED])}{more}"
        )
    return DataSplit(
        Subset(data, [path for k, path in enumerate(paths) if k not in numbers]),
        Subset(data, [path for k, path in enumerate(paths) if k in numbers]),
    )


def hold_out(identities: Iterable[str], share: float, seed: int) -> list[str]:
    """Choose the identities of the test set as `split_data_set` does."""
    ordered = sorted(identities, key=lambda name: _hash(name, seed))
    if not share or len(ordered) < 2:
        return []
    count = round(share * len(ordered))
    return ordered[: min(max(count, 1), len(ordered) - 1)]


def _hash(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} ".encode() + os.fsencode(name)).digest()
