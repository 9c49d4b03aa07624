"""The bytes of a pipe: read as they come, looked at in advance, and left at any time."""

import os
import select
from contextlib import suppress
from types import TracebackType
from typing import IO, Self

_CHUNK = 65536
"""Bytes. The capacity of a pipe on Linux."""


class BytePipe:
    """A pipe, or any other stream of bytes, from its current position.

    `read` returns what has arrived, so that the first frame of a slow video need not wait for
    later ones. `stop`, which any thread may call, ends a `read` that waits. On Windows, and for a
    stream without a descriptor, it takes effect when the next bytes arrive.

    FFmpeg drops interrupts that occur while it calls `read`. So `read` keeps them, and
    `raise_interrupt` raises them.

    Args:
        stream: a binary stream from which nobody has read.
        name: how messages call it.
        owns: whether to close the stream at the end.
    """

    def __init__(self, stream: IO[bytes], name: str, *, owns: bool = False) -> None:
        self.name = name
        self._stream, self._owns = stream, owns
        self._descriptor = _descriptor(stream)
        self._waiting = bytearray()
        self._interrupt: BaseException | None = None
        self.has_ended = False
        """Whether the end has been reached."""
        self.is_stopped = False
        """Whether `stop` was called."""
        self._wake: tuple[int, int] | None = None
        self._poll: select.poll | None = None
        if self._descriptor is not None and hasattr(select, "poll"):
            self._wake = os.pipe()
            self._poll = select.poll()
            self._poll.register(self._descriptor, select.POLLIN)
            self._poll.register(self._wake[0], select.POLLIN)

    def __enter__(self) -> Self:
        """Return the pipe."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop reading."""
        self.close()

    def peek(self, size: int) -> bytearray:
        """Return what has arrived without consuming it: `size` bytes or more; fewer at the end.

        The result is only to be read, before the next call of a method.

        Raises:
            OSError: the system cannot read the stream.
        """
        while len(self._waiting) < size and (data := self._receive(_CHUNK)):
            self._waiting += data
        return self._waiting

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes that have arrived; none at the end and after `stop`.

        Raises:
            OSError: the system cannot read the stream.
        """
        if self._waiting:
            data = bytes(self._waiting[:size])
            del self._waiting[:size]
            return data
        return self._receive(size)

    def stop(self) -> None:
        """End the stream here, also for a `read` that waits in another thread."""
        self.is_stopped = True
        if self._wake:
            with suppress(OSError):
                os.write(self._wake[1], b"\0")

    def close(self) -> None:
        """Stop, and release what this object has opened."""
        self.stop()
        wake, self._wake = self._wake, None
        for each in wake or ():
            os.close(each)
        if self._owns:
            self._stream.close()

    def raise_interrupt(self) -> None:
        """Raise the interrupt that ended a `read`, if one did."""
        if self._interrupt is not None:
            interrupt, self._interrupt = self._interrupt, None
            raise interrupt

    def _receive(self, size: int) -> bytes:
        if self.is_stopped or self.has_ended:
            return b""
        try:
            data = self._wait_and_read(size)
        except Exception:
            self.has_ended = True
            raise
        except BaseException as interrupt:  # Ctrl-C, or the exit that a signal requests
            self._interrupt = interrupt
            self.is_stopped = True
            return b""
        self.has_ended = not data and not self.is_stopped
        return data

    def _wait_and_read(self, size: int) -> bytes:
        if self._descriptor is None:
            read = getattr(self._stream, "read1", self._stream.read)
            return bytes(read(size))
        while True:
            if self._poll is not None:
                self._poll.poll()
            if self.is_stopped:
                return b""
            with suppress(BlockingIOError):  # the writer made the pipe non-blocking
                return os.read(self._descriptor, size)


def _descriptor(stream: IO[bytes]) -> int | None:
    try:
        return stream.fileno()
    except (AttributeError, OSError):
        return None
