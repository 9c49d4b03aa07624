"""The role of this process among those that run the same command."""

import json
import os
import time
from pathlib import Path

STARTER = "CPABMM_STARTER"
"""Environment variable with the process id of the launcher, set for the processes it starts."""
_ERROR_FILE = "TORCHELASTIC_ERROR_FILE"
"""Environment variable with the path of the file from which torchrun's launcher reads an error."""


def usable_cores() -> int:
    """Return the number of cores available to this process, which may be fewer than exist."""
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_worker() -> bool:
    """Return whether this process is one of several."""
    return "RANK" in os.environ


def is_main() -> bool:
    """Return whether this process writes files and prints results."""
    return int(os.environ.get("RANK", "0")) == 0


def is_orphan() -> bool:
    """Return whether the launcher of this process has ended."""
    starter = os.environ.get(STARTER)
    return starter is not None and os.getppid() != int(starter)


def report_failure(message: str, code: int) -> bool:
    """Report an error to the launcher, which prints it once for all processes.

    Args:
        message: the error in one line.
        code: exit code of this process.

    Returns:
        False if this process was not started by our launcher and must print the error itself.
    """
    file = os.environ.get(_ERROR_FILE)
    if STARTER not in os.environ or file is None or is_orphan():
        return False
    now = time.time()
    detail = {"message": message, "extraInfo": {"timestamp": str(int(now))}}  # torchrun's format
    report = {"message": detail, "exit_code": code, "time": now}
    Path(file).write_text(json.dumps(report), encoding="utf-8")
    return True
