"""Tensors as compiled kernels see them, and the threads that run the kernels."""

import threading
from collections.abc import Callable

from torch import Tensor

from cpabmm_core.arrays import Floats


def flat(tensor: Tensor) -> Floats:
    """Return the memory of a float32 tensor on the CPU, from its first number to its last."""
    pairs = zip(tensor.shape, tensor.stride(), strict=True)
    span = 1 + sum((size - 1) * stride for size, stride in pairs)
    view: Floats = tensor.as_strided((span,), (1,)).numpy()
    return view


def steps(tensor: Tensor) -> tuple[int, int, int]:
    """Return the distances between images, rows and pixels of (B, C, H, W)."""
    return tensor.stride(0), tensor.stride(2), tensor.stride(3)


def in_threads(work: Callable[[int], None], parts: int) -> None:
    """Call `work` with 0 .. parts - 1 in separate threads, the last in the current one."""
    threads = [threading.Thread(target=work, args=(part,)) for part in range(parts - 1)]
    for thread in threads:
        thread.start()
    work(parts - 1)
    for thread in threads:
        thread.join()
