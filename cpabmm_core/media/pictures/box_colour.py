"""The colour code points of an AVIF file, which Pillow does not report."""

from collections.abc import Iterator
from pathlib import Path

from cpabmm_core.media.pictures.coded_colour import CodedColour

_PATH = (b"meta", b"iprp", b"ipco")
_LARGEST_BOX = 1 << 20


def find_coded_colour(path: Path) -> CodedColour | None:
    """Return the first colour box of a HEIF or AVIF file that holds code points."""
    with path.open("rb") as file:
        data = file.read(_LARGEST_BOX)
    for name in _PATH:
        found = next((body for kind, body in _boxes(data) if kind == name), None)
        if found is None:
            return None
        data = found[4:] if name == b"meta" else found  # `meta` begins with version and flags
    for kind, body in _boxes(data):
        if kind == b"colr" and body[:4] == b"nclx" and len(body) >= 8:
            return CodedColour(int.from_bytes(body[4:6], "big"), int.from_bytes(body[6:8], "big"))
    return None


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        if size < 8:
            return
        yield data[position + 4 : position + 8], data[position + 8 : position + size]
        position += size
