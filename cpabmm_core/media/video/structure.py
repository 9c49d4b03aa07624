"""The structure of several formats of video: where it states that the content ends."""

import struct
from collections.abc import Generator

from cpabmm_core.media.video.structure_chain import chain_walk
from cpabmm_core.media.video.structure_cursor import MOST_PARTS, Cursor, Walk
from cpabmm_core.media.video.structure_y4m import walk_y4m

_GIF_EXTENSION, _GIF_IMAGE, _GIF_END = b"\x21", b"\x2c", b"\x3b"
_EBML, _SEGMENT, _CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
_MP4_START = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp"}
_MP4_BODY = {b"mdat", b"moov", b"moof"}


def structure_walk(head: bytes, *, is_pipe: bool = False) -> Walk | None:
    """Return the walk through a file, or None for a format without one.

    Args:
        head: the first 12 bytes of the file.
        is_pipe: whether the file comes through a pipe. Then the parts of a Matroska of unstated
            length, an AVI, FLV, IVF and Ogg must be whole as well. In files that is not required:
            recordings that a crash ended are read as far as they go.
    """
    if head[:4] == b"GIF8":
        return _walk_gif()
    if head[:4] == _EBML:
        return _walk_matroska(Cursor(), is_pipe=is_pipe)
    if is_mp4(head):
        return _walk_mp4(Cursor())
    if head[:10] == b"YUV4MPEG2 ":
        return walk_y4m(Cursor())
    return chain_walk(head) if is_pipe else None


def is_mp4(head: bytes) -> bool:
    """Return whether the first bytes of a file are those of an MP4 or QuickTime file."""
    return head[4:8] in _MP4_START


def _walk_mp4(cursor: Cursor) -> Walk:
    """Return the stated end of the last box with frames or their index."""
    end = 0
    for _ in range(MOST_PARTS):
        start = cursor.position
        header = yield from cursor.read(8)
        if len(header) < 8:
            break
        length, kind = struct.unpack(">I4s", header)
        if length == 1:
            length = int.from_bytes((yield from cursor.read(8)), "big")
        if length < 8:  # 0 means up to the end of the file; other values are invalid
            break
        yield from cursor.skip(start + length - cursor.position)
        if kind in _MP4_BODY:
            end = start + length
    return end


def _walk_matroska(cursor: Cursor, *, is_pipe: bool) -> Walk:
    """Return the end of the segment, or in a pipe of the last part of an unlimited one."""
    header = yield from _element(cursor)
    if header is None or header[1] is None:
        return None
    yield from cursor.skip(header[1] - cursor.position)
    segment = yield from _element(cursor)
    if segment is None or segment[0] != _SEGMENT:
        return None
    if segment[1] is None and not is_pipe:
        return 0
    return (yield from _walk_segment(cursor, segment[1]))


def _walk_segment(cursor: Cursor, end: int | None) -> Walk:
    """Check that the elements from here to `end`, and those in clusters, are contiguous."""
    limit = end  # of the cluster or segment that contains the next element
    latest = 0
    for _ in range(MOST_PARTS):
        if limit is not None and cursor.position >= limit:
            if limit == end:
                return end
            limit = end
            continue
        element = yield from _element(cursor)
        if element is None:
            has_ended = not (yield from cursor.read(1))
            return max(end or 0, limit or 0, latest) if has_ended else None
        kind, element_end = element
        if element_end is None:
            return end or latest
        if limit is not None and element_end > limit:
            return None
        latest = max(latest, element_end)
        if kind == _CLUSTER and limit == end:
            limit = element_end
        else:
            yield from cursor.skip(element_end - cursor.position)
    return end or latest


def _element(cursor: Cursor) -> Generator[int, bytes, tuple[bytes, int | None] | None]:
    """Read the header of an EBML element; the walk is then at its content.

    Returns:
        The kind and the end of the element (None if unstated), or None if there is no element here.
    """
    kind = yield from _variable(cursor)
    length = yield from _variable(cursor)
    if kind is None or length is None or len(kind) > 4:
        return None
    bits = 7 * len(length)
    value = int.from_bytes(length, "big") & ((1 << bits) - 1)
    return kind, None if value == (1 << bits) - 1 else cursor.position + value


def _variable(cursor: Cursor) -> Generator[int, bytes, bytes | None]:
    """Read a number whose leading zero bits state how many bytes follow the first."""
    first = yield from cursor.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    return first + (yield from cursor.read(more)) if more else first


def _walk_gif() -> Walk:
    """Return the end of the last block; None if the file ends within a block, 0 if unknown.

    A GIF may have millions of blocks, so this walk counts its bytes itself.
    """
    header = yield 13
    if len(header) < 13:
        return None
    table = _colours(header[10])
    if table:
        yield -table
    position, parts = 13 + table, 0
    while (kind := (yield 1)) not in (b"", _GIF_END):
        position += 1
        if kind == _GIF_EXTENSION:
            yield -1
            position += 1
        elif kind == _GIF_IMAGE:
            image = yield 9
            rest = (_colours(image[8]) if len(image) == 9 else 0) + 1
            yield -rest
            position += 9 + rest
        else:
            return None
        length = yield 1
        position += 1
        while length and length != b"\0":
            parts += 1
            if parts > MOST_PARTS:
                return 0
            position += length[0] + 1
            length = (yield length[0] + 1)[length[0] :]  # the length of the next one
        if not length:
            return None
    return position + len(kind)


def _colours(flags: int) -> int:
    """Return the size in bytes of the colour table that a flag byte announces."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
