"""Cache of converted checkpoints, so that a published file is converted only once."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from cpabmm_core.checkpoint.convert import CONVERTER, convert_checkpoint, is_cpabmm_checkpoint
from cpabmm_core.errors import CheckpointError, ResourceError
from cpabmm_core.files.checks import one_line
from cpabmm_core.files.digest import file_sha256


def convert_cached(path: Path, cache: Path, announce: Callable[[str], None]) -> Path:
    """Return a cpabmm checkpoint with the weights of a file, converted now or on an earlier call.

    The cache key consists of the content of the file and its name, which may determine the frame
    size. If the cache cannot be written, the result is `path` itself, which `open_checkpoint`
    reads as well.

    Args:
        path: a checkpoint of any known layout. A cpabmm checkpoint is returned unchanged.
        cache: folder of the cache; it is created if missing.
        announce: receives one line about each conversion.

    Raises:
        CheckpointError: the file is missing, damaged or of an unknown layout.
    """
    if is_cpabmm_checkpoint(path):
        return path
    key = hashlib.sha256(
        f"{file_sha256(path)} {path.name} {CONVERTER}".encode("utf-8", "surrogateescape")
    )
    cached = cache / f"{key.hexdigest()[:32]}.safetensors"
    if cached.is_file():
        return cached
    conversion = convert_checkpoint(path)
    announce(f"{path}: {conversion}")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        conversion.save(cached)
    except (OSError, CheckpointError, ResourceError) as error:
        announce(f"{path}: converted, but not cached ({one_line(error)})")
        return path
    announce(f"{path}: converted to {cached}")
    return cached
