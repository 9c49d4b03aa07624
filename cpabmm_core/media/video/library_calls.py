"""Errors that the video library raises, turned into errors about the file being read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


def unreadable(reason: str) -> UnnamedError:
    """Return the error for a file that the library cannot read."""
    return UnnamedError(f"cannot be read ({reason})", "fetch it again, or convert it to H.264")


@contextmanager
def library_calls(explain: Callable[[str], Exception] = unreadable) -> Iterator[None]:
    """Turn whatever the library raises in the block into an error about the file.

    The library raises its own errors for damage that it recognises, and anything else where it does
    not. So the block contains calls of the library and nothing that could fail on its own. In a
    generator it may contain `yield`, because the errors of a consumer are not raised there.

    Args:
        explain: returns the error to raise, given the reason on one line.

    Raises:
        UnnamedError: the system cannot read the file; or `explain` is not given.
        Exception: what `explain` returns.
    """
    try:
        yield
    except av.FFmpegError as error:
        raise explain(one_line(error)) from error
    except (CpabmmError, UnnamedError, MemoryError):
        raise
    except OSError as error:
        trouble = f"cannot be read ({one_line(error)})"
        raise UnnamedError(trouble, "check the disk or the connection") from error
    except Exception as error:  # of any kind: that is the purpose
        reason = f"{type(error).__name__}: {one_line(error)}"
        raise explain(reason[:_LONGEST_REASON]) from error
