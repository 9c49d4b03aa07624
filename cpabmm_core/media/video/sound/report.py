"""What becomes of the sound of a file."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

SoundOutcome = Literal["copied", "encoded", "none", "left out"]
"""``copied`` packet by packet or ``encoded``, ``none`` if there is nothing to keep, or ``left out``
because of a problem."""


@dataclass(frozen=True, slots=True)
class SoundReport:
    """What becomes of the sound of a file that is written into a video.

    Example:
        >>> SoundReport("copied").problem is None
        True
    """

    outcome: SoundOutcome
    """``copied``, ``encoded``, ``none`` or ``left out``."""
    problem: str | None = None
    """One line about what is lost and why; it names the file. None if nothing is lost."""


SoundCallback = Callable[[SoundReport], None]
"""Called when the outcome is known, and again if it changes later."""


class SoundProblem(Exception):
    """Sound of an input that cannot be used, or only up to some point. It never fails a run."""
