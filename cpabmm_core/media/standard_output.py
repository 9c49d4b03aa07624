"""Standard output as the target of a video: bytes leave as they are written."""

import errno
import sys
import time
from typing import Any, BinaryIO, Self

from cpabmm_core.errors import MediaError

NAME = "standard output"
"""What messages call it."""
_RETRY_SECONDS = 0.01


def check_standard_output() -> None:
    """Check that standard output leads to a file or a program.

    Raises:
        MediaError: it is closed, or a terminal, which a video would garble.
    """
    if sys.stdout is None or sys.stdout.closed:
        raise MediaError(f"{NAME}: is closed; name a file")
    if sys.stdout.isatty():
        raise MediaError(f"{NAME}: is a terminal; send it to a file or a program, or name a file")


class StandardOutput:
    """Writes to standard output at once, past Python's buffer, so that nothing waits there.

    What was printed before leaves first. A reader that goes away raises `BrokenPipeError`. After a
    write that failed or was interrupted, all others do nothing: the end of a video must not wait
    for a reader that does not read.
    """

    def __init__(self) -> None:
        sys.stdout.flush()
        buffer: BinaryIO = sys.stdout.buffer
        self._file: Any = getattr(buffer, "raw", buffer)
        self._failed = False
        self._interruption: BaseException | None = None

    def __enter__(self) -> Self:
        """Return the stream."""
        return self

    def __exit__(self, *_: object) -> None:
        """Raise what interrupted a write."""
        if self._interruption is not None:
            raise self._interruption

    def write(self, data: bytes, /) -> int:
        """Write all bytes and return their number.

        PyAV ignores an interruption where it calls this, so that is kept for the end of the
        context, and an error takes its place.

        Raises:
            OSError: they cannot be written, or this was interrupted.
        """
        if self._failed:
            return len(data)
        self._failed = True
        try:
            self._write(memoryview(data))
        except (KeyboardInterrupt, SystemExit) as interruption:
            self._interruption = interruption
            raise InterruptedError(errno.EINTR, "interrupted") from interruption
        self._failed = False
        return len(data)

    def _write(self, rest: memoryview) -> None:
        while rest:
            count = self._file.write(rest)
            if count is None:  # a slow reader, where the other side asked not to wait for it
                time.sleep(_RETRY_SECONDS)
            rest = rest[count or 0 :]
