"""Where a picture in a pipe ends, for formats that state it: another one may follow."""

import re
from collections.abc import Callable

from cpabmm_core.media.piped.byte_pipe import BytePipe

_PNG_START, _PNG_END = 8, b"IEND"
_PORTABLE = re.compile(rb"P([56])\s+(?:#[^\n]*\n\s*)*(\d+)\s+(\d+)\s+(\d+)\s")
_BYTE = 255


def picture_end(pipe: BytePipe, kind: str) -> int | None:
    """Return the length of the picture that a pipe begins with.

    Args:
        pipe: the pipe; nothing of it is consumed.
        kind: the format of the picture. PNG, BMP and binary PPM and PGM state their length.

    Returns:
        The number of bytes; None if the format or the picture does not state it.
    """
    find = _FINDERS.get(kind)
    return find(pipe) if find else None


def _png_end(pipe: BytePipe) -> int | None:
    position = _PNG_START
    while len(header := bytes(pipe.peek(position + 8)[position : position + 8])) == 8:
        length, name = int.from_bytes(header[:4], "big"), header[4:]
        position += length + 12  # the length, the name and a check sum
        if name == _PNG_END:
            return position
        if not name.isalpha():
            return None
    return None


def _bmp_end(pipe: BytePipe) -> int | None:
    return int.from_bytes(pipe.peek(6)[2:6], "little") or None


def _portable_end(pipe: BytePipe) -> int | None:
    found = _PORTABLE.match(pipe.peek(512))
    if found is None:
        return None
    width, height, white = (int(each) for each in found.groups()[1:])
    samples = width * height * (3 if found[1] == b"6" else 1)
    return found.end() + samples * (2 if white > _BYTE else 1)


_FINDERS: dict[str, Callable[[BytePipe], int | None]] = {
    "PNG": _png_end,
    "BMP": _bmp_end,
    "PPM": _portable_end,
}
