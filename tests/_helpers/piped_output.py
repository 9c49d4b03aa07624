"""Standard output of this process replaced by a pipe, as in ``command | program``."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


class Piped:
    """What came through the pipe, complete once the context has ended."""

    def __init__(self) -> None:
        self.data = b""


@contextmanager
def piped_output(monkeypatch: pytest.MonkeyPatch, limit: int | None = None) -> Iterator[Piped]:
    """Replace standard output by a pipe.

    Args:
        monkeypatch: restores it.
        limit: bytes after which the reader goes away; None reads to the end.
    """
    source, target = os.pipe()
    piped = Piped()
    thread = threading.Thread(target=_read, args=(piped, source, limit))
    thread.start()
    with monkeypatch.context() as patch, open(target, "w", encoding="utf-8") as output:
        patch.setattr(sys, "stdout", output)
        yield piped
    thread.join()


def _read(piped: Piped, source: int, limit: int | None) -> None:
    with open(source, "rb", buffering=0) as file:
        while limit is None or len(piped.data) < limit:
            block = file.read(1 << 16 if limit is None else limit - len(piped.data))
            if not block:
                return
            piped.data += block
