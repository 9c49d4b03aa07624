"""Where the index of a piped MP4 is: without it, its frames cannot be found."""

from cpabmm_core.media.piped.byte_pipe import BytePipe
from cpabmm_core.media.video.structure import is_mp4

_MOST_BEFORE = 4 * 2**20
"""Bytes. What precedes the index or the frames is small; the index is not waited for longer."""
_INDEX, _FRAMES = b"moov", b"mdat"


def has_late_index(pipe: BytePipe) -> bool:
    """Return whether a pipe holds an MP4 whose frames come before their index."""
    if not is_mp4(bytes(pipe.peek(8)[:8])):
        return False
    position = 0
    while position < _MOST_BEFORE:
        header = bytes(pipe.peek(position + 16)[position : position + 16])
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if kind == _INDEX:
            return False
        if kind == _FRAMES:
            return True
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length < 8:  # damaged, which the reader reports
            return False
        position += length
    return True
