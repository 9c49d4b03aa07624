"""Entries of a folder in the order in which a person would list them."""

import re
from pathlib import Path

from cpabmm_core.media.suffixes import IMAGE_SUFFIXES


def visible_entries(folder: Path) -> list[Path]:
    """Return the entries of a folder that are not hidden, in natural order: 2 precedes 10."""
    entries = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return sorted(entries, key=lambda entry: _natural_key(entry.name))


def is_image_file(path: Path) -> bool:
    """Return whether a path is a file with the suffix of an image."""
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()


def _natural_key(name: str) -> list[tuple[int, str]]:
    """Return a sort key in which runs of digits compare as numbers; the name itself breaks ties."""
    parts = re.split(r"([0-9]+)", name.casefold())
    keys = [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
    return [*keys, (-1, name)]
