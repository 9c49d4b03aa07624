"""Suppression of what libraries print while they read a picture.

Both settings are those of the process, and restoring them fails if threads overlap. So the first
thread that enters saves them, and the last one that leaves restores them.
"""

import ctypes
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

from PIL import _imaging

_lock = threading.Lock()
_inside: list[ExitStack] = []


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress warnings and the messages of libtiff, in any number of threads.

    The context must not contain a `yield`: it would then last as long as the consumer likes.
    """
    with _lock:
        _inside.append(_inside[0] if _inside else _suppressed())
    try:
        yield
    finally:
        with _lock:
            saved = _inside.pop()
            if not _inside:
                saved.close()


def _suppressed() -> ExitStack:
    """Suppress everything; closing the result restores it."""
    saved = ExitStack()
    saved.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore")
    library = _libtiff()
    if library is not None:
        saved.callback(library.TIFFSetErrorHandler, library.TIFFSetErrorHandler(None))
    return saved


@cache
def _libtiff() -> ctypes.CDLL | None:
    """Return the libtiff that Pillow uses; None on systems that do not find it through Pillow."""
    try:
        library = ctypes.CDLL(_imaging.__file__)  # finds what this module depends on, too
        library.TIFFSetErrorHandler.argtypes = [ctypes.c_void_p]
        library.TIFFSetErrorHandler.restype = ctypes.c_void_p
    except (OSError, AttributeError):
        return None
    return library
