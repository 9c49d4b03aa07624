"""Walking through the parts of a file or pipe.

A walk goes through the parts from the start. It yields how many bytes it wants to read, or minus
the number that it passes over, and receives the bytes; fewer at the end of the file. So one walk
serves files, which are read here and there, and pipes, which pass by.
"""

from collections.abc import Generator

Walk = Generator[int, bytes, int | None]
"""Returns the position where the content ends by its own statement: 0 if it states none, None if
its parts are inconsistent."""

MOST_PARTS = 2**21
"""Number of parts after which a walk ends, in about a second per million; hours of video have
fewer. A hostile file can consist of many more."""


class Cursor:
    """The position of a walk."""

    def __init__(self) -> None:
        self.position = 0

    def read(self, size: int) -> Generator[int, bytes, bytes]:
        """Read up to `size` bytes; fewer only at the end."""
        data = yield size
        self.position += len(data)
        return data

    def skip(self, size: int) -> Generator[int, bytes, None]:
        """Pass over `size` bytes, which need not exist."""
        if size > 0:
            yield -size
            self.position += size
