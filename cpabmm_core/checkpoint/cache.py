"""Published checkpoints that were converted once, kept for the next time."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from cpabmm_core.checkpoint.convert import CONVERTER, convert, is_ours
from cpabmm_core.checkpoint.damage import one_line
from cpabmm_core.errors import CheckpointError, ResourceError
from cpabmm_core.files.digest import file_sha256


def converted(path: Path, cache: Path, announce: Callable[[str], None]) -> Path:
    """A checkpoint of ours with the weights of any known file, converted if it was not before.

    A file is known again by its content and its name, which may tell its frame size. Where the
    cache cannot be written the path itself is returned, for `open_checkpoint` reads it as well.

    Args:
        path: a checkpoint, which is returned as it is if it is one of ours.
        cache: folder to keep it in, made if missing.
        announce: told of the conversion, one line.

    Raises:
        CheckpointError: the file is missing, damaged or of an unknown kind.
    """
    if is_ours(path):
        return path
    key = hashlib.sha256(f"{file_sha256(path)} {path.name} {CONVERTER}".encode())
    kept = cache / f"{key.hexdigest()[:32]}.safetensors"
    if kept.is_file():
        return kept
    conversion = convert(path)
    announce(f"{path}: {conversion}")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        conversion.save(kept)
    except (OSError, CheckpointError, ResourceError) as error:
        announce(f"{path}: converted for this time only, for {one_line(error)}")
        return path
    announce(f"{path}: converted into {kept}")
    return kept
