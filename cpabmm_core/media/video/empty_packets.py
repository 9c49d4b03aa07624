"""Packets that a file announces, but that hold nothing: the frame before them stays.

FFmpeg passes over them, so they are counted in the index of the file.
"""

import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

from av.video.stream import VideoStream

_LARGEST_INDEX = 64 * 2**20
"""Bytes. No file of the length that this kind of index allows has a larger one."""


@dataclass(frozen=True, slots=True)
class EmptyPackets:
    """The numbers of packets that hold nothing."""

    total: int
    """In the whole stream."""
    last: int
    """At its end."""


def count_empty_packets(stream: VideoStream, path: Path | None) -> EmptyPackets:
    """Count the empty packets of a stream in the index of its file.

    Args:
        stream: the stream.
        path: the file; of an AVI its own index is read, because FFmpeg's omits these packets. None
            for a pipe.
    """
    sizes = _avi_sizes(path, stream.index) if path else None
    if sizes is None:
        sizes = [entry.size for entry in stream.index_entries]
    return EmptyPackets(
        sum(not size for size in sizes), sum(1 for _ in takewhile(_is_zero, reversed(sizes)))
    )


def _is_zero(size: int) -> bool:
    return size == 0


def _avi_sizes(path: Path, stream: int) -> list[int] | None:
    """Return the sizes of the packets of a stream in the index of an AVI; None without one."""
    with path.open("rb") as file:
        index = _find_index(file)
    if index is None:
        return None
    names = {b"%02ddc" % stream, b"%02ddb" % stream}
    entries: Iterable[tuple[bytes, int, int, int]] = struct.iter_unpack("<4sIII", index)
    return [size for name, _, _, size in entries if name in names]


def _find_index(file: BinaryIO) -> bytes | None:
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"AVI ":
        return None
    while len(header := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", header)
        if name == b"idx1":
            content = file.read(min(size, _LARGEST_INDEX))
            return content[: len(content) // 16 * 16]
        file.seek(size + size % 2, os.SEEK_CUR)
    return None
