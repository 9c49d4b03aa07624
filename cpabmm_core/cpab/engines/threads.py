"""Plain threads for kernels that release the interpreter lock, as many as PyTorch uses."""

import threading
from collections.abc import Callable
from itertools import pairwise

import torch


def ranges(count: int, worth: int) -> list[tuple[int, int]]:
    """Return equal ranges, one per thread.

    Args:
        count: number of items.
        worth: number of threads that the work justifies.
    """
    parts = max(1, min(torch.get_num_threads(), worth, count))
    bounds = [count * part // parts for part in range(parts + 1)]
    return list(pairwise(bounds))


def in_threads(work: Callable[[int], None], parts: int) -> None:
    """Call `work` with 0 .. parts - 1 in separate threads, the last in the current one."""
    threads = [threading.Thread(target=work, args=(part,)) for part in range(parts - 1)]
    for thread in threads:
        thread.start()
    work(parts - 1)
    for thread in threads:
        thread.join()
