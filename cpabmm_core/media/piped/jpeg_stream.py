"""Whether a JPEG in a pipe is a picture, or the first frame of a Motion JPEG video."""

from cpabmm_core.media.pictures.animation import NEXT_IMAGE, end_of_jpeg_header
from cpabmm_core.media.pictures.formats import JPEG_JUNK, picture_format
from cpabmm_core.media.piped.byte_pipe import BytePipe

_LARGEST_FRAME = 64 * 2**20
"""Bytes. A larger JPEG is a picture."""


def is_jpeg_stream(pipe: BytePipe, head: bytes) -> bool:
    """Return whether a pipe holds JPEG images without an index, by the rule for files.

    Args:
        pipe: the pipe; nothing of it is consumed.
        head: its first bytes.
    """
    if picture_format(head) != "JPEG":
        return False
    start = len(head) - len(head.lstrip(JPEG_JUNK))
    known, searched = 0, 0
    while known < _LARGEST_FRAME:
        data = pipe.peek(known + 1)
        if len(data) <= known:
            return False
        known = len(data)
        try:
            header = end_of_jpeg_header(data, start)
        except IndexError:
            continue
        if header is None:
            return False
        if data.find(NEXT_IMAGE, max(header, searched)) >= 0:
            return True
        searched = known - len(NEXT_IMAGE)
    return False
