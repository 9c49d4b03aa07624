"""A map over several processes, none of which outlives this one."""

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


@contextmanager
def process_map(workers: int) -> Iterator[Map]:
    """A ``map`` whose calls run in so many processes, and end in order; 1 stays within this one.

    On an exception, such as that of Ctrl-C, the processes end at once, whatever they are doing.
    They do so too when this process is killed.

    Raises:
        ResourceError: a process was killed.
    """
    if workers == 1:
        yield map
        return
    # Forking a process that has imported torch can hang in its thread pools.
    context = get_context("spawn")
    their_end, our_end = context.Pipe(duplex=False)
    with (
        our_end,
        their_end,
        ProcessPoolExecutor(workers, context, _end_with, (their_end,)) as pool,
    ):
        try:
            yield partial(_start, pool)
        except BaseException as error:
            our_end.close()
            pool.shutdown(cancel_futures=True)
            if isinstance(error, BrokenProcessPool):
                raise ResourceError(
                    "a process was killed, as happens when memory runs out; take fewer workers"
                ) from None
            raise


def _start(
    pool: ProcessPoolExecutor, function: Callable[[Any], Any], arguments: Iterable[Any]
) -> Iterator[Any]:
    """Begin the calls; a process that is only starting must not answer Ctrl-C with a traceback."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        return pool.map(function, arguments)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # new processes inherit it
    try:
        return pool.map(function, arguments)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with(their_end: Connection) -> None:
    """End this process once the pipe's other end is gone; Ctrl-C is for the one that holds it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        their_end.poll(None)
        signal.raise_signal(signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
