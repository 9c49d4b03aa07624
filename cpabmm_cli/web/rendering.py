"""One run of the model at a time, in a thread that reports its progress and can be stopped."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from time import monotonic
from typing import Any

from cpabmm_core.media.notices import show_notices
from cpabmm_core.progress import Progress, StatusCallback

_POLL = 0.2
"""Seconds between two looks at the progress."""


@dataclass(frozen=True)
class Running:
    """A run that goes on."""

    frames: int
    total: int | None
    seconds: float
    """Time since the first frame."""


@dataclass(frozen=True)
class Finished:
    """A run that ended with a result."""

    output: Path
    frames: int
    seconds: float
    notes: list[str]
    """Warnings, one line each."""


@dataclass(frozen=True)
class Failed:
    """A run that ended without a result."""

    error: Exception


class _Stopped(BaseException):
    """Ends a run from within its progress callback."""


Task = Callable[[Progress, StatusCallback], Any]
"""Renders with callbacks for progress and for warnings."""


@dataclass
class Run:
    """A task in a thread of its own.

    Args:
        task: what to do.
        output: the file that it writes.
    """

    task: Task
    output: Path
    is_active: bool = False
    """Whether its thread is at work."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _events: "Queue[Running | Finished | Failed | None]" = field(default_factory=Queue)

    def stop(self) -> None:
        """End the run at its next frame."""
        self._stop.set()

    def events(self) -> Iterator[Running | Finished | Failed]:
        """Start the run and yield its progress, at most five times a second, and then its end.

        A stopped run yields no end. Closing the iterator stops the run and waits until it has
        removed what it wrote.
        """
        thread = threading.Thread(target=self._work, name="cpabmm-run")
        self.is_active = True
        thread.start()
        try:
            while (event := self._latest()) is not None:
                yield event
        finally:
            self.stop()
            thread.join()
            self.is_active = False

    def _latest(self) -> Running | Finished | Failed | None:
        event = self._events.get()
        pause = monotonic() + _POLL
        while isinstance(event, Running):
            try:
                event = self._events.get(timeout=max(0.0, pause - monotonic()))
            except Empty:
                break
        return event

    def _work(self) -> None:
        notes: list[str] = []
        began, done = monotonic(), 0
        first = began

        def progress(frames: int, total: int | None = None) -> None:
            nonlocal done, first
            if self._stop.is_set():
                raise _Stopped
            if not done:
                first = monotonic()
            done = frames
            self._events.put(Running(frames, total, monotonic() - first))

        try:
            with show_notices(notes.append):
                self.task(progress, notes.append)
            self._events.put(Finished(self.output, done, monotonic() - began, notes))
        except _Stopped:
            pass
        except Exception as error:
            self._events.put(Failed(error))
        finally:
            self._events.put(None)
