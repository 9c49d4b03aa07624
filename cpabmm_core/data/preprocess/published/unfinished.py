"""A temporary folder for clips that are being written."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cpabmm_core.data.preprocess.shard import Shard
from cpabmm_core.files.checks import write_error


@contextmanager
def unfinished_folder(folder: Path, shard: Shard) -> Iterator[Path]:
    """Create an empty temporary folder for a shard, and remove it at the end."""
    path = folder / f".unfinished{shard.suffix}"
    shutil.rmtree(path, ignore_errors=True)
    try:
        for subset in ("train", "test"):
            (path / subset).mkdir(parents=True)
    except OSError as error:
        raise write_error(path, error) from None
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
