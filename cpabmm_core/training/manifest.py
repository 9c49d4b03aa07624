"""The manifest of a saved state: sizes and hashes of its files, checked before they are read."""

import json
from pathlib import Path

from cpabmm_core.errors import CheckpointError
from cpabmm_core.files.checks import one_line
from cpabmm_core.files.digest import file_sha256
from cpabmm_core.files.json_text import read_json
from cpabmm_core.files.output import write_atomically
from cpabmm_core.files.printable import printable

MANIFEST_FILE = "manifest.json"
TRAINER_FILE = "trainer.pt"
_SHOWN = 80
_REQUIRED = {"model.safetensors", TRAINER_FILE}


def write_manifest(folder: Path) -> None:
    """Write the manifest of all files of a folder.

    Raises:
        CheckpointError: the manifest cannot be written.
        ResourceError: the disk is full.
    """
    files = sorted(folder.iterdir())
    manifest = {file.name: [file.stat().st_size, file_sha256(file)] for file in files}
    write_atomically(folder / MANIFEST_FILE, json.dumps(manifest).encode(), kind=CheckpointError)


def find_damage(folder: Path) -> str | None:
    """Return what is wrong with the files of a saved state, or None."""
    try:
        manifest = read_json((folder / MANIFEST_FILE).read_bytes())
        if not manifest.keys() >= _REQUIRED:
            return f"{MANIFEST_FILE} is incomplete"
        for name, (size, digest) in manifest.items():
            file, shown = folder / name, printable(name, _SHOWN)
            if not file.is_file():
                return f"{shown} is missing"
            if file.stat().st_size != size:
                return f"{shown} has {file.stat().st_size} of {size} bytes"
            if file_sha256(file) != digest:
                return f"{shown} has changed since it was written"
    except (OSError, ValueError, AttributeError, TypeError) as error:
        return f"{MANIFEST_FILE}: {one_line(error)}"
    return None
