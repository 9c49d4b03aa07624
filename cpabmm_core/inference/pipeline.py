"""Reading ahead and writing behind in threads, through bounded queues."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from threading import Thread
from types import TracebackType
from typing import Protocol, Self, TypeVar

from cpabmm_core.inference.bounded_queue import BoundedQueue

_Item = TypeVar("_Item")
_PATIENCE = 5.0
"""Seconds that a thread gets to return from the call that it is in when the caller leaves."""


class Writer(Protocol):
    """Anything with a method `write`, such as a `VideoWriter`."""

    @property
    def write(self) -> Callable[..., object]:
        """Write one item."""


@contextmanager
def read_ahead(
    items: Iterable[_Item], size: int, *, stop: Callable[[], None] | None = None
) -> Generator[Iterator[_Item]]:
    """Iterate over items that a thread reads before the caller needs them.

    The thread keeps at most `size` items, and one that it has just read. It runs in a copy of the
    caller's context, so `media.notices` reach the caller. On leaving, the thread finishes the item
    that it is reading and closes the iterator, which ends a generator. A thread that does not
    finish within 5 seconds is left behind. It does not keep the process alive.

    Args:
        items: what to read; only the thread iterates over it.
        size: number of items to read ahead, at least 1.
        stop: ends an iteration that waits for something, for example for the data of a stalled
            pipe. The caller's thread calls it on leaving.

    Returns:
        A context manager that provides the items in order. An exception of `items` is raised after
        the items before it.

    Example:
        >>> with read_ahead("abc", size=2) as letters:
        ...     "".join(letters)
        'abc'
    """
    queue = BoundedQueue[_Item](size)
    thread = _start(lambda: _fill(queue, items), "read ahead")
    try:
        yield iter(queue)
    finally:
        queue.leave()
        if stop is not None and thread.is_alive():
            stop()
        thread.join(_PATIENCE)


class WriteBehind:
    """Passes items to a writer in a thread, so that the caller does not wait for the writer.

    At most `size` items wait for the writer. The thread runs in a copy of the caller's context. An
    exception of the writer is raised by the next call of `write`, or by `close`. Leaving the object
    as a context manager closes it. After an exception it drops the items that wait.

    The writer itself stays open: open it before, and close it after.

    Args:
        writer: an object with a method `write`; only the thread calls it.
        size: number of items that may wait, at least 1.

    Example:
        >>> import io
        >>> text = io.StringIO()
        >>> with WriteBehind(text, size=2) as behind:
        ...     for word in ("better ", "late"):
        ...         behind.write(word)
        >>> text.getvalue()
        'better late'
    """

    def __init__(self, writer: Writer, size: int) -> None:
        self._queue = BoundedQueue[tuple[object, ...]](size)
        self._thread = _start(lambda: _drain(self._queue, writer), "write behind")

    def write(self, *arguments: object) -> None:
        """Let the thread call the writer's `write`; wait while too many items wait already.

        Args:
            arguments: the arguments of that call.

        Raises:
            Exception: what the writer raised for an earlier item.
        """
        self._queue.put(arguments)

    def close(self) -> None:
        """Wait until everything is written.

        Raises:
            Exception: what the writer raised.
        """
        self._queue.end()
        self._thread.join()
        self._queue.check()

    def __enter__(self) -> Self:
        """Return the object."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait until everything is written; after an exception, only for the item in progress."""
        try:
            if error is None:
                self.close()
        finally:
            self._queue.leave()
            self._thread.join(_PATIENCE)


def _start(work: Callable[[], None], name: str) -> Thread:
    # A daemon: a call that never returns must not keep the process alive.
    thread = Thread(target=copy_context().run, args=(work,), name=name, daemon=True)
    thread.start()
    return thread


def _fill(queue: BoundedQueue[_Item], items: Iterable[_Item]) -> None:
    """Put items into a queue until they or the receiver's interest end."""
    try:
        iterator = iter(items)
        try:
            for item in iterator:
                if not queue.put(item):
                    break
        finally:
            if close := getattr(iterator, "close", None):
                close()
    except BaseException as error:  # the receiver raises it
        queue.end(error)
    else:
        queue.end()


def _drain(queue: BoundedQueue[tuple[object, ...]], writer: Writer) -> None:
    """Write items until the sender ends them."""
    try:
        for arguments in queue:
            writer.write(*arguments)
    except BaseException as error:  # the sender raises it
        queue.leave(error)
