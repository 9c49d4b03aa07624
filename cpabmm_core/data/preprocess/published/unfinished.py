"""Where clips are while they are being written, and whose they are."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cpabmm_core.data.preprocess.shard import Shard
from cpabmm_core.files.checks import write_error


@contextmanager
def unfinished_folder(folder: Path, shard: Shard) -> Iterator[Path]:
    """A folder for the clips that are being written, rid of what a killed run left there."""
    path = folder / f".unfinished{shard.suffix}"
    shutil.rmtree(path, ignore_errors=True)
    try:
        for side in ("train", "test"):
            (path / side).mkdir(parents=True)
    except OSError as error:
        raise write_error(path, error) from None
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
