"""Start `fuzz.command` from a checkout: ``python tests/fuzz/run.py --help``."""

import os
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def main() -> int:
    """Make the project and its tests importable, here and in child processes."""
    paths = [str(_ROOT), str(_ROOT / "tests")]
    sys.path[0:1] = paths
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    from fuzz.command import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
