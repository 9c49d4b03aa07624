"""The data sets of the ablation, and which videos of each are held out."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from cpabmm_core.errors import DataError
from cpabmm_core.media import list_clips


@dataclass(frozen=True)
class DataSet:
    """A data set and its held-out videos."""

    name: str
    held_out: tuple[str, ...] | None
    """Names without suffix of the videos that are never trained on; names that the folder lacks
    are ignored. None: the folder has ``train`` and ``test`` itself."""
    extractor: str
    """Extractor of keypoints and identities, or ``auto``."""


DATA_SETS: tuple[DataSet, ...] = (
    DataSet("puppets", None, "puppets"),
    DataSet("actions", tuple(f"{number:08d}" for number in range(10)), "auto"),
    DataSet("taichi", ("02", "11"), "auto"),
)
BY_NAME = {each.name: each for each in DATA_SETS}


def prepare(data_set: DataSet, source: Path, target: Path) -> Path:
    """Make a folder with ``train`` and ``test`` out of a data set as downloaded.

    The folder holds links, or copies on a system without links. A folder that exists is kept:
    several processes may call this at the same time.

    Args:
        data_set: the data set.
        source: its folder: the clips, or ``train`` with the clips; for a set that comes divided,
            ``train`` and ``test``.
        target: the folder to make.

    Raises:
        DataError: the source is missing, or lacks one of the two parts.
    """
    if target.is_dir():
        return target
    parts = _divide(data_set, source)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        for part, files in parts.items():
            (temporary / part).mkdir()
            for file in files:
                _link(file.resolve(), temporary / part / file.name)
        temporary.rename(target)
    except OSError:
        if not target.is_dir():
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _divide(data_set: DataSet, source: Path) -> dict[str, list[Path]]:
    """Return the files of ``train`` and of ``test``."""
    if data_set.held_out is None:
        for part in ("train", "test"):
            list_clips(source / part)
        return {part: _entries(source / part) for part in ("train", "test")}
    folder = source / "train" if (source / "train").is_dir() else source
    list_clips(folder)
    parts: dict[str, list[Path]] = {"train": [], "test": []}
    for file in _entries(folder):
        parts["test" if file.stem in data_set.held_out else "train"].append(file)
    for part, files in parts.items():
        if not files:
            raise DataError(
                f"{folder}: no video for {part}; the set {data_set.name} holds out "
                f"{', '.join(data_set.held_out)}"
            )
    return parts


def _entries(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _link(source: Path, link: Path) -> None:
    try:
        os.symlink(source, link, target_is_directory=source.is_dir())
    except (OSError, NotImplementedError):  # Windows without the privilege, some file systems
        if source.is_dir():
            shutil.copytree(source, link)
        else:
            shutil.copy(source, link)
