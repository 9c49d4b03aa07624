"""Kernels that Numba compiles once on a machine, without keeping anyone waiting for them.

Numba keeps compiled code in the folder of the source or, if that cannot be written, in the user's
cache folder; processes may fill it at the same time. Compilation takes seconds, and loading its
result a fraction of one. Within `compiling_in_background`, a child process compiles what is not in
the cache yet, and a slower twin computes the same results until it has finished. A thread would
hold the interpreter lock most of the time. Everywhere else the first call waits, so that equal
inputs give equal results to the last bit.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib import import_module
from typing import Any

_in_background: ContextVar[bool] = ContextVar("compiling_in_background", default=False)


@contextmanager
def compiling_in_background() -> Iterator[None]:
    """Do not wait for compilation while this context lasts."""
    token = _in_background.set(True)
    try:
        yield
    finally:
        _in_background.reset(token)


def cached_kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:  # noqa: ANN401
    """Return a decorator like `numba.njit`, whose code is cached if there is a place for it.

    Args:
        options: options of `numba.njit`.
    """
    import numba

    def decorate(function: Callable[..., Any]) -> Any:  # noqa: ANN401
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # neither the package's nor the user's folder can be written
            return numba.njit(**options)(function)

    return decorate


class Kernels:
    """A group of kernels that are used together.

    Args:
        module: module with a function ``rehearse``, which calls each of them once.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._lock = threading.Lock()
        self._is_ready = False
        self._child: subprocess.Popen[bytes] | None = None

    def ready(self) -> bool:
        """Return whether to use the kernels now; False only within `compiling_in_background`."""
        if self._is_ready or not _in_background.get():
            return True
        with self._lock:
            if not self._is_ready:
                self._is_ready = self._prepare()
            return self._is_ready

    def _prepare(self) -> bool:
        """Load the kernels if they are compiled; otherwise see to it that they will be."""
        if self._child is None:
            if self._load(compiles=False):
                return True
            self._child = _start(self._module)
            if self._child is not None:
                return False
        if self._child is not None and self._child.poll() is None:
            return False
        return self._load(compiles=True)  # what the child could not keep is compiled here

    def _load(self, *, compiles: bool) -> bool:
        """Rehearse. Return False if that takes compilation, unless it is allowed."""
        token = _in_background.set(False)
        try:
            with _allowed_to_compile(compiles):
                _rehearse(self._module)
        except ImportError:  # Numba has no build for this system; the caller finds out, too
            return True
        except _NotCompiledError:
            return False
        finally:
            _in_background.reset(token)
        return True


class _NotCompiledError(Exception):
    """A kernel is not in the cache."""


@contextmanager
def _allowed_to_compile(allowed: Callable[[], bool] | bool) -> Iterator[None]:
    """Raise `_NotCompiledError` at the start of a compilation that is not allowed."""
    from numba.core import event

    class Listener(event.Listener):
        def on_start(self, event: object) -> None:
            if not (allowed() if callable(allowed) else allowed):
                raise _NotCompiledError

        def on_end(self, event: object) -> None:
            pass

    with event.install_listener("numba:compile", Listener()):
        yield


def _rehearse(module: str) -> None:
    import_module(module).rehearse()


def _start(module: str) -> "subprocess.Popen[bytes] | None":
    """Start a process that compiles; None if there is no interpreter to start."""
    if not sys.executable or getattr(sys, "frozen", False):
        return None
    code = f"from {__name__} import compile_for; compile_for({os.getpid()}, {module!r})"
    nowhere = subprocess.DEVNULL
    try:
        return subprocess.Popen(
            [sys.executable, "-c", code], stdin=nowhere, stdout=nowhere, stderr=nowhere
        )
    except OSError:
        return None


def compile_for(parent: int, module: str) -> None:
    """Compile kernels in a child process; end early, between two kernels, after the parent."""
    alone = os.getppid() != parent  # started by a wrapper, whose end says nothing
    with suppress(_NotCompiledError), _allowed_to_compile(lambda: alone or os.getppid() == parent):
        _rehearse(module)
