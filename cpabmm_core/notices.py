"""Notices about what was done in another way than expected; the caller shows them.

For example a file that was read, but not as it is stored, or an engine that does not run here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from cpabmm_core.progress import StatusCallback


def _ignore(_: str) -> None:
    """Show nothing. This is the default."""


_show: ContextVar[StatusCallback] = ContextVar("notices", default=_ignore)


@contextmanager
def show_notices(show: StatusCallback) -> Iterator[None]:
    """Receive the notices while the context lasts.

    Args:
        show: receives each notice as one line.

    Example:
        >>> with show_notices(print):
        ...     notify("a.jpg: 16320 x 12240 pixels, read at 8160 x 6120")
        a.jpg: 16320 x 12240 pixels, read at 8160 x 6120
    """
    token = _show.set(show)
    try:
        yield
    finally:
        _show.reset(token)


@contextmanager
def distinct_notices() -> Iterator[None]:
    """Pass on each notice once while the context lasts, even if a file is read several times.

    Example:
        >>> with show_notices(print), distinct_notices():
        ...     for _ in range(2):
        ...         notify("a.jpg: 16320 x 12240 pixels, read at 8160 x 6120")
        a.jpg: 16320 x 12240 pixels, read at 8160 x 6120
    """
    show = _show.get()
    seen: set[str] = set()

    def show_new(text: str) -> None:
        if text not in seen:
            seen.add(text)
            show(text)

    with show_notices(show_new):
        yield


@contextmanager
def rename_in_notices(old: str, new: str) -> Iterator[None]:
    """Pass on notices with another name for a file, while the context lasts.

    Args:
        old: the name in the notices, such as that of a temporary file.
        new: the name that the caller knows.

    Example:
        >>> with show_notices(print), rename_in_notices("/tmp/k3", "standard input"):
        ...     notify("/tmp/k3: 16320 x 12240 pixels")
        standard input: 16320 x 12240 pixels
    """
    show = _show.get()
    with show_notices(lambda text: show(text.replace(old, new))):
        yield


def notify(text: str) -> None:
    """Pass on a notice."""
    _show.get()(text)
