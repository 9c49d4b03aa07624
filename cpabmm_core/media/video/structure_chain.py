"""The structure of formats that are a chain of parts, each with its length in its header."""

from collections.abc import Callable
from dataclasses import dataclass

from cpabmm_core.media.video.structure_cursor import MOST_PARTS, Cursor, Walk

_UNSTATED = (0, 0xFFFFFFFF)
"""Sizes in the header of an AVI whose writer could not go back to fill them in."""
_OGG_TABLE = 26
"""The position in the header of an Ogg page where the length of its table is."""


@dataclass(frozen=True)
class _Chain:
    """A format."""

    start: bytes
    """The first bytes of a file."""
    before: int
    """Bytes before the first part."""
    header: int
    """Length of the header of a part."""
    content: Callable[[bytes], int | None]
    """Returns from a header how many bytes follow it; None if it is not that of a part."""


def chain_walk(head: bytes) -> Walk | None:
    """Return the walk through an AVI, FLV, IVF or Ogg; None for another format.

    Args:
        head: the first 12 bytes of the file.
    """
    if head[:4] == _OGG:
        return _walk_ogg(Cursor())
    if head[:4] == b"RIFF" and head[8:12] != b"AVI ":
        return None
    chain = next((each for each in _CHAINS if head.startswith(each.start)), None)
    return _walk(Cursor(), chain) if chain else None


def _walk(cursor: Cursor, chain: _Chain) -> Walk:
    """Return the stated end of the last part, or one more than there is if a header is cut."""
    yield from cursor.skip(chain.before)
    end = cursor.position
    for _ in range(MOST_PARTS):
        header = yield from cursor.read(chain.header)
        if len(header) < chain.header:
            return end if not header else cursor.position + 1
        size = chain.content(header)
        if size is None:
            break
        end = cursor.position + size
        yield from cursor.skip(size)
    return end


def _walk_ogg(cursor: Cursor) -> Walk:
    """Return the stated end of the last page."""
    end = 0
    for _ in range(MOST_PARTS):
        header = yield from cursor.read(_OGG_TABLE + 1)
        if len(header) <= _OGG_TABLE or header[:4] != _OGG:
            return end if not header or header[:1] != b"O" else cursor.position + 1
        table = yield from cursor.read(header[_OGG_TABLE])
        end = cursor.position + sum(table) + header[_OGG_TABLE] - len(table)
        yield from cursor.skip(sum(table))
    return end


def _avi_list(header: bytes) -> int | None:
    """A long AVI consists of several lists."""
    size = int.from_bytes(header[4:], "little")
    return None if header[:4] != b"RIFF" or size in _UNSTATED else size + size % 2


def _flv_tag(header: bytes) -> int | None:
    return int.from_bytes(header[1:4], "big") + 4  # the length of the tag, once more


def _ivf_frame(header: bytes) -> int | None:
    return int.from_bytes(header[:4], "little")


_OGG = b"OggS"
_CHAINS = (
    _Chain(b"RIFF", 0, 8, _avi_list),
    _Chain(b"FLV", 13, 11, _flv_tag),
    _Chain(b"DKIF", 32, 12, _ivf_frame),
)
