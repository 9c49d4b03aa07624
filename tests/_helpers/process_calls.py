"""What processes are asked to do in tests of them.

They find these functions by the name of this module. A test module of the package ``tests`` would
not do: other packages install one of that name.
"""

import os
import signal
import time
from pathlib import Path

STAY = 120


def note(path: Path) -> None:
    """Leave the number of the process that was asked."""
    path.write_text(str(os.getpid()))


def stay(path: Path) -> None:
    """Leave the number of the process, and take very long."""
    note(path)
    time.sleep(STAY)


def die(path: Path) -> None:
    """As if memory had run out."""
    os.kill(os.getpid(), signal.SIGKILL)
