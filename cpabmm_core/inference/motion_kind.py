"""Recognition of motion files, in a module that does not import torch."""

from pathlib import Path

from cpabmm_core.files.json_text import read_json

MOTION_FORMAT = "cpabmm-motion"
"""The format that the metadata of a motion file states."""
_LONGEST_HEADER = 65_536
"""Most bytes of a header that are searched for the format. A motion file has about 500."""


def is_motion_file(path: str | Path) -> bool:
    """Return whether a file is a driving motion, from its content.

    A checkpoint is none, and neither is anything that is no readable file.

    Args:
        path: the file, whatever its name and format.

    Example:
        >>> from cpabmm_core.checkpoint import find_checkpoint
        >>> is_motion_file(find_checkpoint("puppets")), is_motion_file("missing.mp4")
        (False, False)
    """
    path = Path(path)
    try:
        if not path.is_file():  # to open a pipe would wait for its other end
            return False
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            text = file.read(length) if 0 < length <= _LONGEST_HEADER else b""
        header = read_json(text)
    except (OSError, ValueError):
        return False
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    return isinstance(metadata, dict) and metadata.get("format") == MOTION_FORMAT
