"""Suppression of the warnings of libraries that parse metadata while they open a file.

`warnings.catch_warnings` restores wrong filters if threads overlap. Here, the first thread that
enters saves the filters, and the last one that leaves restores them.
"""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_inside: "list[warnings.catch_warnings[None]]" = []


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress warnings while the context lasts, in any number of threads."""
    with _lock:
        if not _inside:
            saved = warnings.catch_warnings()
            saved.__enter__()
            warnings.simplefilter("ignore")
            _inside.append(saved)
        else:
            _inside.append(_inside[0])
    try:
        yield
    finally:
        with _lock:
            saved = _inside.pop()
            if not _inside:
                saved.__exit__(None, None, None)
