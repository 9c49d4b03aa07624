"""Functions that tests run in worker processes.

Processes import them by the name of this module. They cannot be in the package ``tests``, because
other distributions install a package of that name.
"""

import os
import signal
import time
from pathlib import Path

STAY = 120
"""Seconds."""


def note(path: Path) -> None:
    """Write the number of this process to a file."""
    path.write_text(str(os.getpid()))


def stay(path: Path) -> None:
    """Write the number of this process to a file and then sleep."""
    note(path)
    time.sleep(STAY)


def die(path: Path) -> None:
    """Kill this process, as the system does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
