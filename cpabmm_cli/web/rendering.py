"""One run of the model at a time, in a thread that reports its progress and can be stopped."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from time import monotonic

from cpabmm_core.errors import CpabmmError
from cpabmm_core.inference import AnimationCallbacks, AnimationReport
from cpabmm_core.media import SoundReport, show_notices
from cpabmm_core.progress import Progress

_PAUSE = 0.2
"""Seconds between two reports of the progress."""


@dataclass(frozen=True)
class Running:
    """A run that goes on."""

    stage: str
    frames: int
    """Number of frames of this stage so far."""
    total: int | None
    seconds: float
    """Time since the first frame of this stage."""


@dataclass(frozen=True)
class Finished:
    """A run that ended with a result."""

    output: Path
    report: AnimationReport
    notes: list[str | CpabmmError]
    """Messages and warnings, one line each."""


@dataclass(frozen=True)
class Failed:
    """A run that ended without a result."""

    error: Exception


State = Running | Finished | Failed


class _Stopped(BaseException):
    """Ends a run from within one of its callbacks, past all handlers of errors."""


@dataclass
class Run:
    """An animation in a thread of its own.

    Args:
        animate: renders, and tells the callbacks about it.
        output: the file that it writes.
        frames: number of frames to render if it is known.
    """

    animate: Callable[[AnimationCallbacks], AnimationReport]
    output: Path
    frames: int | None = None
    is_active: bool = False
    """Whether the thread is at work."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _states: "Queue[State | None]" = field(default_factory=Queue)
    _notes: list[str | CpabmmError] = field(default_factory=list)

    def stop(self) -> None:
        """End the run at its next frame, without a result."""
        self._stop.set()

    def states(self) -> Iterator[State]:
        """Start the run and yield its progress, at most five times a second, and then its end.

        A stopped run yields no end. Closing the iterator stops the run and waits until it has
        removed what it wrote.
        """
        thread = threading.Thread(target=self._work, name="cpabmm-run")
        self.is_active = True
        thread.start()
        try:
            while (state := self._latest()) is not None:
                yield state
        finally:
            self.stop()
            thread.join()
            self.is_active = False

    def _latest(self) -> State | None:
        """Return the next state, or the last one of those that come within a moment."""
        state = self._states.get()
        until = monotonic() + _PAUSE
        while isinstance(state, Running):
            try:
                state = self._states.get(timeout=max(0.0, until - monotonic()))
            except Empty:
                break
        return state

    def _work(self) -> None:
        tell = AnimationCallbacks(
            report=self._notes.append,
            warn=self._notes.append,
            on_sound=self._note_sound,
            show=self._show,
        )
        try:
            with show_notices(self._notes.append):
                report = self.animate(tell)
            self._states.put(Finished(self.output, report, self._notes))
        except _Stopped:
            pass
        except Exception as error:
            self._states.put(Failed(error))
        finally:
            self._states.put(None)

    @contextmanager
    def _show(self, stage: str) -> Iterator[Progress]:
        """Pass the progress of a stage on, or stop it."""
        first = monotonic()

        def progress(done: int, total: int | None = None) -> None:
            nonlocal first
            if self._stop.is_set():
                raise _Stopped
            if done == 1:
                first = monotonic()
            self._states.put(Running(stage, done, total or self.frames, monotonic() - first))

        yield progress

    def _note_sound(self, report: SoundReport) -> None:
        if report.problem is not None:
            self._notes.append(report.problem)
