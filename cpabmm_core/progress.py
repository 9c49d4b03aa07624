"""The types of the callbacks that operations report to."""

from collections.abc import Callable

Progress = Callable[[int, int | None], None]
"""Called with the number of items (frames, bytes, ...) done so far, and the total if it is known.

Example:
    >>> def show(done: int, total: int | None) -> None:
    ...     print(f"{done} of {total or '?'}")
    >>> progress: Progress = show
    >>> progress(3, None)
    3 of ?
"""

StatusCallback = Callable[[str], None]
"""Called with each status message, which is one line."""
