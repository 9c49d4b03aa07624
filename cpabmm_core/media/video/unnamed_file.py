"""The content of a file or a pipe as FFmpeg reads it: without a name, and within limits."""

import errno
import os
from collections.abc import Callable
from typing import IO

from cpabmm_core.media.video.library_calls import UnnamedError

BUFFER_SIZE = 32768
"""Bytes. FFmpeg reads headers, and searches for them, in steps of at most this; more at once is the
content of a packet."""
_MOST_TO_OPEN = 64 * 2**20
"""Bytes that FFmpeg may read before it knows the streams. A file that only begins like a video
would be searched to its end."""
_LARGEST_TABLES = 512 * 2**20
"""The same for MP4, whose header lists all packets: more than a week of video."""
_MP4_START = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


class UnnamedStream:
    """Bytes that come in order, without a name, so that they alone decide how FFmpeg reads them.

    PyAV keeps an error of `read` until FFmpeg returns, and prints it if another one follows before
    that. So at most one is raised.

    Args:
        read: returns up to a number of bytes; none at the end.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._is_opening = True
        self._count = self._most = 0
        self._has_failed = False

    def end_opening(self) -> None:
        """Lift the limit on what may be read before the streams are known."""
        self._is_opening = False

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes; none after an error.

        Raises:
            UnnamedError: the streams are still unknown after all that may be read.
            OSError: the system cannot read the file.
        """
        if self._has_failed:
            return b""
        try:
            data = self._read(size)
            if self._is_opening and size <= BUFFER_SIZE:
                self._limit(data)
        except Exception:
            self._has_failed = True
            raise
        return data

    def _limit(self, data: bytes) -> None:
        if not self._count:  # FFmpeg begins at the start
            self._most = _LARGEST_TABLES if data[4:8] in _MP4_START else _MOST_TO_OPEN
        self._count += len(data)
        if self._count > self._most:
            raise UnnamedError(
                f"is not a readable video ({self._most // 2**20} MB of it hold none)",
                "give an MP4, MOV, MKV, WebM, AVI or GIF",
            )


class UnnamedFile(UnnamedStream):
    """An open file without its name, in which FFmpeg may also move.

    Args:
        file: the file, at its start; it stays open.
    """

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file.read)
        self._file = file
        self.tell = file.tell

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position and return it; a negative error code for one that cannot exist."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):
            return -errno.EINVAL
