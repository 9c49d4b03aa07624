"""The content of a file as FFmpeg reads it: without a name, and within limits."""

import errno
import os
from typing import IO

from cpabmm_core.media.video.library_calls import UnnamedError

BUFFER_SIZE = 32768
"""Bytes. FFmpeg reads headers, and searches for them, in steps of at most this; more at once is the
content of a packet."""
_MOST_TO_OPEN = 256 * 2**20
"""Bytes of headers that FFmpeg may read before it knows the streams. Several days of video in MP4
have fewer; a file that only begins like a video would be searched to its end."""


class UnnamedFile:
    """An open file without its name, so that the content alone decides how FFmpeg reads it.

    PyAV keeps an error of `read` or `seek` until FFmpeg returns, and prints it if another one
    follows before that. So at most one is raised.

    Args:
        file: the file, which stays open.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._left: int | None = _MOST_TO_OPEN
        self._has_failed = False
        self.tell = file.tell

    def end_opening(self) -> None:
        """Lift the limit on what may be read before the streams are known."""
        self._left = None

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes; none after an error.

        Raises:
            UnnamedError: the streams are still unknown after all that may be read.
            OSError: the system cannot read the file.
        """
        if self._has_failed:
            return b""
        try:
            data = self._file.read(size)
            if self._left is not None and size <= BUFFER_SIZE:
                self._count(len(data))
        except Exception:
            self._has_failed = True
            raise
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position and return it; a negative error code for one that cannot exist."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):
            return -errno.EINVAL

    def _count(self, size: int) -> None:
        assert self._left is not None
        self._left -= size
        if self._left < 0:
            raise UnnamedError(
                f"is not a readable video ({_MOST_TO_OPEN // 2**20} MB of it hold none)",
                "give an MP4, MOV, MKV, WebM, AVI or GIF",
            )
