"""A parallel map whose worker processes never outlive the main process."""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from cpabmm_core.errors import ResourceError

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""A function like the built-in ``map``, with one iterable."""


@contextmanager
def process_map(workers: int) -> Iterator[Map]:
    """Provide a parallel ``map`` that yields results in order.

    On any exception, including Ctrl-C, all workers stop immediately, whatever they are doing. They
    also stop when this process is killed.

    Args:
        workers: number of processes; 1 computes in this process.

    Raises:
        ResourceError: a worker was killed.

    Example:
        >>> with process_map(1) as map_function:
        ...     list(map_function(abs, [-1, 2]))
        [1, 2]
    """
    if workers == 1:
        yield map
        return
    # A fork of a process that has imported torch can deadlock in torch's thread pools.
    context = get_context("spawn")
    their_end, our_end = context.Pipe(duplex=False)
    with (
        our_end,
        their_end,
        ProcessPoolExecutor(workers, context, _end_with_parent, (their_end,)) as pool,
    ):
        try:
            yield partial(_submit, pool)
        except BaseException as error:
            our_end.close()
            pool.shutdown(cancel_futures=True)
            if isinstance(error, BrokenProcessPool):
                raise ResourceError(
                    "a worker process was killed, probably for lack of memory; use fewer workers"
                ) from None
            raise


def _submit(
    pool: ProcessPoolExecutor, function: Callable[[Any], Any], arguments: Iterable[Any]
) -> Iterator[Any]:
    """Submit the calls while SIGINT is blocked, so that a starting worker prints no traceback."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        return pool.map(function, arguments)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited by new processes
    try:
        return pool.map(function, arguments)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent(their_end: Connection) -> None:
    """End this worker when the main process has closed the pipe; ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        their_end.poll(None)
        signal.raise_signal(signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
