"""Detection of truncated and damaged video files before anything is decoded.

FFmpeg reads a truncated MP4, MKV, WebM or GIF up to the cut and reports an ordinary end. In a
damaged MKV or WebM it continues after the damage without an error about the lost frames.
"""

from pathlib import Path
from typing import BinaryIO

from cpabmm_core.errors import MediaError
from cpabmm_core.media.video.structure import structure_walk
from cpabmm_core.media.video.structure_cursor import Walk

_HEAD = 12


def check_complete(path: Path) -> None:
    """Check that a GIF, MP4, MOV, MKV or WebM is as long as its headers state.

    Files of other formats pass, and so do files of unstated length (live recordings).

    Raises:
        MediaError: the end is missing, or the parts are inconsistent.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        walk = structure_walk(file.read(_HEAD))
        end = _follow(walk, file, size) if walk else 0
    if end is None:
        raise MediaError(f"{path}: is damaged or truncated; fetch it again, or re-encode it")
    if end > size:
        raise MediaError(f"{path}: is truncated ({size} of {end} bytes); fetch it again")


def _follow(walk: Walk, file: BinaryIO, size: int) -> int | None:
    """Read what a walk asks for, from the start of a file."""
    position = reached = 0  # `reached` is where the file is
    wanted = next(walk)
    file.seek(0)
    try:
        while True:
            data = b""
            if wanted < 0:
                position -= wanted
            elif position < size:
                if position != reached:
                    file.seek(position)
                data = file.read(wanted)
                position += len(data)
                reached = position
            wanted = walk.send(data)
    except StopIteration as stop:
        end: int | None = stop.value
        return end
