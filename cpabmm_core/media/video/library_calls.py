"""Errors that the video library raises, turned into errors about the file being read."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType

import av

from cpabmm_core.errors import CpabmmError
from cpabmm_core.files.checks import one_line

_LONGEST_REASON = 200


class UnnamedError(Exception):
    """Trouble with a file, raised where its name is unknown; `open_input` adds the name.

    Args:
        trouble: what is wrong with the file.
        cure: what to do about it.
    """

    def __init__(self, trouble: str, cure: str) -> None:
        super().__init__(trouble, cure)
        self.trouble, self.cure = trouble, cure


_PASSED = (CpabmmError, UnnamedError, MemoryError)


def unreadable(reason: str) -> UnnamedError:
    """Return the error for a file that the library cannot read."""
    return UnnamedError(f"cannot be read ({reason})", "fetch it again, or convert it to H.264")


def library_calls(explain: Callable[[str], Exception] = unreadable) -> AbstractContextManager[None]:
    """Turn whatever the library raises in a block into an error about the file.

    The library raises its own errors for damage that it recognises, and anything else where it does
    not. So the block contains calls of the library and nothing that could fail on its own. In a
    generator it may contain `yield`, because the errors of a consumer are not raised there.

    Args:
        explain: returns the error to raise, given the reason on one line.

    Returns:
        The context of the block. It raises what `explain` returns, or an `UnnamedError` if the
        system cannot read the file. Interrupts, lack of memory and errors of the core pass.
    """
    return _LibraryCalls(explain)


class _LibraryCalls(AbstractContextManager[None]):
    """The context of `library_calls`; a class, because a generator costs more for each frame."""

    def __init__(self, explain: Callable[[str], Exception]) -> None:
        self._explain = explain

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, av.FFmpegError):
            raise self._explain(one_line(error)) from error
        if not isinstance(error, Exception) or isinstance(error, _PASSED):
            return
        if isinstance(error, OSError):
            trouble = f"cannot be read ({one_line(error)})"
            raise UnnamedError(trouble, "check the disk or the connection") from error
        reason = f"{type(error).__name__}: {one_line(error)}"
        raise self._explain(reason[:_LONGEST_REASON]) from error
