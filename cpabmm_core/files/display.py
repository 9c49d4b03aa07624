"""Progress display of downloads, which the caller provides."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

from cpabmm_core.progress import Progress

ShowProgress = Callable[[str], AbstractContextManager[Progress]]
"""Called with the name of a file; its context lasts as long as the download."""


@contextmanager
def show_nothing(_: str) -> Iterator[Progress]:
    """Ignore the progress of a download. This is the default display."""
    yield lambda done, total: None


_display: ContextVar[ShowProgress] = ContextVar("download display", default=show_nothing)


@contextmanager
def show_downloads(display: ShowProgress) -> Iterator[None]:
    """Use a display for all downloads while the context lasts.

    Args:
        display: receives the name of each file, then the number of bytes.

    Example:
        >>> @contextmanager
        ... def display(name):
        ...     print(name)
        ...     yield lambda done, total: print(done, "of", total)
        >>> with show_downloads(display), current_display()("a.pth") as progress:
        ...     progress(1, 2)
        a.pth
        1 of 2
    """
    token = _display.set(display)
    try:
        yield
    finally:
        _display.reset(token)


def current_display() -> ShowProgress:
    """Return the display that `show_downloads` has set."""
    return _display.get()
