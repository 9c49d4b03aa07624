"""Standard output as the target of a video: bytes leave as they are written."""

import sys
import time
from typing import Any, BinaryIO

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

    What was printed before leaves first. A reader that goes away raises `BrokenPipeError`.
    """

    def __init__(self) -> None:
        sys.stdout.flush()
        buffer: BinaryIO = sys.stdout.buffer
        self._file: Any = getattr(buffer, "raw", buffer)

    def write(self, data: bytes, /) -> int:
        """Write all bytes and return their number.

        Raises:
            OSError: they cannot be written.
        """
        rest = memoryview(data)
        while rest:
            count = self._file.write(rest)
            if count is None:  # a reader that is slow, where the other side asked not to wait
                time.sleep(_RETRY_SECONDS)
            rest = rest[count or 0 :]
        return len(data)
