"""The delay of the last frame of an animated PNG, which the muxer does not store."""

import struct
import zlib
from fractions import Fraction
from pathlib import Path

_SIGNATURE = 8
_CONTROL = b"fcTL"
_DELAY = slice(20, 24)
_LARGEST = 2**16 - 1


def set_last_delay(path: Path, seconds: Fraction) -> None:
    """Change the delay of the last frame of an animated PNG in place.

    Args:
        path: the finished file.
        seconds: the delay, positive. It is stored as a fraction of two numbers of 16 bits.

    Raises:
        OSError: the file cannot be changed.
    """
    with path.open("r+b") as file:
        position, last = _SIGNATURE, None
        file.seek(position)
        while len(head := file.read(8)) == 8:
            size, kind = struct.unpack(">I4s", head)
            last = position if kind == _CONTROL else last
            position = file.seek(position + size + 12)
        if last is None:  # a single frame has no delay
            return
        file.seek(last + 8)
        body = bytearray(file.read(26))
        body[_DELAY] = struct.pack(">HH", *_delay(seconds))
        file.seek(last + 8)
        file.write(body + struct.pack(">I", zlib.crc32(_CONTROL + body)))


def _delay(seconds: Fraction) -> tuple[int, int]:
    """Return the nearest fraction whose numbers fit."""
    if seconds >= _LARGEST:
        return _LARGEST, 1
    limit = _LARGEST if seconds <= 1 else int(_LARGEST / seconds)
    nearest = seconds.limit_denominator(limit)
    return nearest.numerator, nearest.denominator
