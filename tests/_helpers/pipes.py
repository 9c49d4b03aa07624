"""Real pipes of the system with a writer in a thread, which may be slow."""

import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO


class PipeWriter:
    """What is known about the writing end of a pipe."""

    def __init__(self) -> None:
        self.sent = 0
        """Number of bytes that the pipe has taken."""
        self.was_refused = False
        """Whether the reader had closed its end."""
        self.hold = threading.Event()
        """Set to let a writer that stalls end the pipe."""


def in_pieces(data: bytes, count: int = 100) -> list[bytes]:
    """Cut data into pieces of equal length."""
    size = max(1, -(-len(data) // count))
    return [data[start : start + size] for start in range(0, len(data), size)]


@contextmanager
def piped(
    pieces: Iterable[bytes], *, delay: float = 0.0, stalls: bool = False
) -> Iterator[tuple[IO[bytes], PipeWriter]]:
    """Open a pipe into which a thread writes.

    Args:
        pieces: what is written, one after another.
        delay: seconds between two pieces.
        stalls: whether the pipe stays open after the last piece, until `hold` is set.

    Yields:
        The reading end, and the state of the writer.
    """
    reading, writing = os.pipe()
    writer = PipeWriter()

    def write() -> None:
        try:
            for piece in pieces:
                rest = memoryview(piece)
                while rest:
                    written = os.write(writing, rest)
                    writer.sent += written
                    rest = rest[written:]
                time.sleep(delay)
            if stalls:
                writer.hold.wait(20)
        except BrokenPipeError:
            writer.was_refused = True
        finally:
            os.close(writing)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    stream = open(reading, "rb", buffering=0)  # noqa: SIM115 - closed below
    try:
        yield stream, writer
    finally:
        writer.hold.set()
        stream.close()
        thread.join(10)
        assert not thread.is_alive()
