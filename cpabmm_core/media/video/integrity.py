"""Detection of truncated and damaged video files before anything is decoded.

FFmpeg reads a truncated MP4, MKV, WebM or GIF up to the cut and reports an ordinary end. In a
damaged MKV or WebM it continues after the damage without an error about the lost frames.
"""

import os
import struct
from pathlib import Path
from typing import BinaryIO

from cpabmm_core.errors import MediaError

_GIF_EXTENSION, _GIF_IMAGE, _GIF_END = b"\x21", b"\x2c", b"\x3b"
_EBML, _SEGMENT, _CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
_MP4_START = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp"}
_MP4_BODY = {b"mdat", b"moov", b"moof"}

_MOST_PARTS = 2**21
"""Number of parts after which the check ends, in about a second per million; hours of video have
fewer. A hostile file can consist of many more."""


def check_complete(path: Path) -> None:
    """Check that a GIF, MP4, MOV, MKV or WebM is as long as its headers state.

    Files of other formats pass, and so do files of unstated length (live recordings).

    Raises:
        MediaError: the end is missing, or the parts are inconsistent.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        file.seek(0)
        if head[:4] == b"GIF8":
            end = _gif_end(file)
        elif head[:4] == _EBML:
            end = _matroska_end(file, size)
        elif head[4:8] in _MP4_START:
            end = _mp4_end(file, size)
        else:
            return
    if end is None:
        raise MediaError(f"{path}: is damaged or truncated; fetch it again, or re-encode it")
    if end > size:
        raise MediaError(f"{path}: is truncated ({size} of {end} bytes); fetch it again")


def _mp4_end(file: BinaryIO, size: int) -> int:
    """Return the stated end of the last box with frames or their index."""
    position = end = 0
    for _ in range(_MOST_PARTS):
        if position + 8 > size:
            break
        file.seek(position)
        length, kind = struct.unpack(">I4s", file.read(8))
        if length == 1:
            length = int.from_bytes(file.read(8), "big")
        if length < 8:  # 0 means up to the end of the file; other values are invalid
            break
        position += length
        if kind in _MP4_BODY:
            end = position
    return end


def _matroska_end(file: BinaryIO, size: int) -> int | None:
    """Return the end of the segment; 0 if it is unstated, None if the parts are inconsistent."""
    header = _element(file)
    if header is None or header[1] is None:
        return None
    file.seek(header[1])
    segment = _element(file)
    if segment is None or segment[0] != _SEGMENT:
        return None
    end = segment[1]
    if end is None:
        return 0
    return end if end > size or _is_consistent(file, end) else None


def _is_consistent(file: BinaryIO, end: int) -> bool:
    """Return whether the elements from here to `end`, and those in clusters, are contiguous."""
    limit = end  # of the cluster or segment that contains the next element
    for _ in range(_MOST_PARTS):
        if file.tell() >= limit:
            if limit == end:
                return True
            limit = end
            continue
        element = _element(file)
        if element is None:
            return False
        kind, element_end = element
        if element_end is None:
            return True
        if element_end > limit:
            return False
        if kind == _CLUSTER and limit == end:
            limit = element_end
        else:
            file.seek(element_end)
    return True


def _element(file: BinaryIO) -> tuple[bytes, int | None] | None:
    """Read the header of an EBML element; the file is then at its content.

    Returns:
        The kind and the end of the element (None if unstated), or None if there is no element here.
    """
    kind = _variable(file)
    length = _variable(file)
    if kind is None or length is None or len(kind) > 4:
        return None
    bits = 7 * len(length)
    value = int.from_bytes(length, "big") & ((1 << bits) - 1)
    return kind, None if value == (1 << bits) - 1 else file.tell() + value


def _variable(file: BinaryIO) -> bytes | None:
    """Read a number whose leading zero bits state how many bytes follow the first."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    return first + file.read(8 - first[0].bit_length())


def _gif_end(file: BinaryIO) -> int | None:
    """Return the end of the last block; None if the file ends within a block, 0 if unknown."""
    header = file.read(13)
    if len(header) < 13:
        return None
    file.seek(_colours(header[10]), os.SEEK_CUR)
    parts = 0
    while (kind := file.read(1)) not in (b"", _GIF_END):
        if kind == _GIF_EXTENSION:
            file.seek(1, os.SEEK_CUR)
        elif kind == _GIF_IMAGE:
            image = file.read(9)
            file.seek((_colours(image[8]) if len(image) == 9 else 0) + 1, os.SEEK_CUR)
        else:
            return None
        while length := file.read(1):
            parts += 1
            if length == b"\0":
                break
            if parts > _MOST_PARTS:
                return 0
            file.seek(length[0], os.SEEK_CUR)
        else:
            return None
    return file.tell()


def _colours(flags: int) -> int:
    """Return the size in bytes of the colour table that a flag byte announces."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
