"""Download of a public checkpoint, on demand alone."""

import hashlib
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

from cpabmm_core.checkpoint.catalogue import PublicFile
from cpabmm_core.checkpoint.damage import one_line, weights_kind
from cpabmm_core.checkpoint.writing import written_atomically
from cpabmm_core.errors import CheckpointError
from cpabmm_core.progress import Progress

_CHUNK = 1 << 20
_TIMEOUT_SECONDS = 30


def download(file: PublicFile, folder: Path, progress: Progress) -> Path:
    """Download a file into a folder, whole and with the stated hash, or not at all.

    Args:
        file: the file.
        folder: made if missing; a file of that name in it is replaced.
        progress: told of each piece.

    Raises:
        CheckpointError: there is no link to the file itself, it cannot be had, or is another one.
        ResourceError: the disk is full.
    """
    if file.url is None:
        raise CheckpointError(
            f"{file.name}: no link to the file itself is known; put {file.file} from {file.page} "
            f"into {folder}"
        )
    path = folder / file.file
    folder.mkdir(parents=True, exist_ok=True)
    with written_atomically(path) as temporary:
        try:
            digest = _fetch(file.url, temporary, progress)
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
            reason = one_line(error)
            raise CheckpointError(
                f"{file.name}: {file.url} cannot be had ({reason}); put {file.file} from "
                f"{file.page} into {folder}"
            ) from None
        _check(file, temporary, digest, folder)
    return path


def _fetch(url: str, target: Path, progress: Progress) -> str:
    """Write what the address gives and return its hash."""
    digest, done = hashlib.sha256(), 0
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer, target.open("wb") as out:
        length = answer.headers.get("Content-Length")
        while piece := answer.read(_CHUNK):
            out.write(piece)
            digest.update(piece)
            done += len(piece)
            progress(done, int(length) if length else None)
    return digest.hexdigest()


def _check(file: PublicFile, temporary: Path, digest: str, folder: Path) -> None:
    cure = f"put {file.file} from {file.page} into {folder}"
    try:
        weights_kind(temporary)
    except CheckpointError as error:
        trouble = str(error).removeprefix(f"{temporary}: ").split(";")[0]
        raise CheckpointError(f"{file.name}: what {file.url} gives {trouble}; {cure}") from None
    if file.sha256 is not None and digest != file.sha256:
        raise CheckpointError(
            f"{file.name}: what {file.url} gives is another file (sha256 {digest[:16]}..., not "
            f"{file.sha256[:16]}...) and was deleted; {cure}"
        )
