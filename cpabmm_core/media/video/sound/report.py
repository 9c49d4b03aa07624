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
        >>> import tempfile
        >>> from fractions import Fraction
        >>> import numpy as np
        >>> from cpabmm_core.media import VideoWriter
        >>> black = np.zeros((8, 8, 3), dtype=np.uint8)
        >>> reports: list[SoundReport] = []
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     silent, output = f"{folder}/silent.mp4", f"{folder}/output.mp4"
        ...     with VideoWriter(silent, 8, 8, 25, Fraction(1, 25)) as writer:
        ...         writer.write(black, pts=0)
        ...     options = {"audio_from": silent, "on_sound": reports.append}
        ...     with VideoWriter(output, 8, 8, 25, Fraction(1, 25), **options) as writer:
        ...         writer.write(black, pts=0)
        >>> reports
        [SoundReport(outcome='none', problem=None)]
    """

    outcome: SoundOutcome
    """``copied``, ``encoded``, ``none`` or ``left out``."""
    problem: str | None = None
    """One line about what is lost and why; it names the file. None if nothing is lost."""


SoundCallback = Callable[[SoundReport], None]
"""Called when the outcome is known, and again if it changes later."""


class SoundProblem(Exception):
    """Sound of an input that cannot be used, or only up to some point. It never fails a run."""
