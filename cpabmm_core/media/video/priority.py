"""The scheduling of threads, which one encoder changes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_THREADS = Path("/proc/self/task")


@contextmanager
def ordinary_priority() -> Iterator[None]:
    """Undo what happens to the priority of threads in this context.

    SVT-AV1 that runs as root makes its threads and the one that opens it real-time. They would take
    the processors from all other programs, and processes started later would inherit this.
    """
    if not hasattr(os, "sched_getscheduler") or not _THREADS.is_dir():  # not Linux
        yield
        return
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            for thread in _THREADS.iterdir():
                with suppress(OSError):  # it has ended
                    os.sched_setscheduler(int(thread.name), policy, parameter)
