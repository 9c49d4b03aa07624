"""Stopping a run by signals: the first asks it to stop, the second ends it."""

import signal
from types import FrameType, TracebackType
from typing import Any, Self

from cpabmm_cli.processes import is_orphan


class StopOnSignal:
    """Records Ctrl-C and SIGTERM while it is active. A run calls it after every step.

    A second signal has its usual effect.
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._before: dict[int, Any] = {}

    def __call__(self) -> int | None:
        """Return the number of the received signal, if any; SIGTERM if the launcher has ended."""
        return signal.SIGTERM if self._received is None and is_orphan() else self._received

    def __enter__(self) -> Self:
        """Start to record signals."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Restore the previous handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._received is None:
            self._received = number
        else:
            signal.signal(number, self._before[number])
            signal.raise_signal(number)
