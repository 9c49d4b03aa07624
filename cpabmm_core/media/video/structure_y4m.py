"""The structure of YUV4MPEG2: FFmpeg drops an incomplete last frame without an error."""

import re
from collections.abc import Generator

from cpabmm_core.media.video.structure_cursor import MOST_PARTS, Cursor, Walk

_LONGEST_LINE = 256
_COLOUR = re.compile(
    rb"(?:(?P<sampling>420|422|444|411)(?:jpeg|mpeg2|paldv|p(?P<depth>9|10|12|14|16)|(?P<alpha>alpha))?"
    rb"|mono(?P<grey>9|10|12|16)?)"
)
_CHROMA_STEPS = {b"420": (2, 2), b"422": (2, 1), b"444": (1, 1), b"411": (4, 1)}
"""How many pixels share a chroma sample, horizontally and vertically."""


def walk_y4m(cursor: Cursor) -> Walk:
    """Return the stated end of the last frame; 0 if the size of frames is unknown."""
    size = _frame_size((yield from _line(cursor)))
    end = 0
    for _ in range(MOST_PARTS if size else 0):
        header = yield from _line(cursor)
        if not header.startswith(b"FRAME"):  # FFmpeg reports other content as damage
            break
        end = cursor.position + size
        yield from cursor.skip(size)
    return end


def _line(cursor: Cursor) -> Generator[int, bytes, bytes]:
    line = b""
    while len(line) < _LONGEST_LINE and (data := (yield from cursor.read(1))) not in (b"", b"\n"):
        line += data
    return line


def _frame_size(header: bytes) -> int:
    """Return the number of bytes of a frame, or 0 if the header does not state it."""
    fields = {field[:1]: field[1:] for field in header.split(b" ")[1:]}
    width, height = fields.get(b"W", b""), fields.get(b"H", b"")
    colour = _COLOUR.fullmatch(fields.get(b"C", b"420"))
    if colour is None or not width.isdigit() or not height.isdigit():
        return 0
    samples = int(width) * int(height)
    if colour["sampling"]:
        across, down = _CHROMA_STEPS[colour["sampling"]]
        planes = 2 * -(-int(width) // across) * -(-int(height) // down)
        samples += planes + (samples if colour["alpha"] else 0)
    return samples * (2 if colour["depth"] or colour["grey"] else 1)
