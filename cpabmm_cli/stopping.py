"""Stopping in good order: the first signal asks, the second one insists."""

import signal
from types import FrameType, TracebackType
from typing import Any, Self

from cpabmm_cli.processes import is_orphan


class StopOnSignal:
    """While it lasts Ctrl-C and SIGTERM are noted for a run that asks.

    A second one does what it would have done without this.
    """

    def __init__(self) -> None:
        self._asked: int | None = None
        self._before: dict[int, Any] = {}

    def __call__(self) -> int | None:
        """The number of the signal that came, if any did; SIGTERM if who started us is gone."""
        return signal.SIGTERM if self._asked is None and is_orphan() else self._asked

    def __enter__(self) -> Self:
        """Listen."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._asked is None:
            self._asked = number
        else:
            signal.signal(number, self._before[number])
            signal.raise_signal(number)
