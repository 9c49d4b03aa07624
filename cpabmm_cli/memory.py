"""Memory of long runs on a CPU."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_KEPT = 1 << 30
"""Bytes: the largest block that the process keeps, and the most free memory at the heap's end."""


def keep_freed_memory() -> bool:
    """Let glibc keep the memory that a training step frees, and return whether it can.

    Every step allocates the same tensors. By default glibc returns large blocks to the system when
    they are freed, and the next step waits while the kernel maps and clears the same pages again.
    The peak of the memory is the same. Other C libraries are left alone.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is None:
        return False
    return all([mallopt(_TRIM_THRESHOLD, _KEPT), mallopt(_MMAP_THRESHOLD, _KEPT)])
