"""Choice between two computations of the same result by trial."""

import threading
from collections.abc import Callable, Hashable
from time import perf_counter

_PAIRS = 3
_ENOUGH = 0.05  # seconds; a longer trial would delay the first frame more than it can gain

_lock = threading.Lock()
_choices: dict[Hashable, bool] = {}


def is_faster(key: Hashable, first: Callable[[], object], second: Callable[[], object]) -> bool:
    """Return whether the first of two computations is faster, by a trial at first.

    The choice is kept, so that a process computes the same thing in the same way each time.
    """
    choice = _choices.get(key)
    if choice is None:
        with _lock:  # two trials at once would disturb each other
            if key not in _choices:
                _choices[key] = _try(first, second)
            choice = _choices[key]
    return choice


def _try(first: Callable[[], object], second: Callable[[], object]) -> bool:
    """Time both alternately, after a run of each that fills caches."""
    first()
    second()
    times: tuple[list[float], list[float]] = ([], [])
    start = perf_counter()
    while len(times[0]) < _PAIRS and (not times[0] or perf_counter() - start < _ENOUGH):
        for action, taken in zip((first, second), times, strict=True):
            begin = perf_counter()
            action()
            taken.append(perf_counter() - begin)
    return min(times[0]) < min(times[1])
