"""Threads for compiled kernels: those of PyTorch's own operators where possible.

PyTorch's threads wait for more work by spinning for milliseconds. Other threads, started between
two operators, share the cores with them: after one, a convolution of 6 ms took 11. GNU OpenMP, and
Intel's and LLVM's in its place, let any function run on the threads they have.
"""

import ctypes
import threading
from collections.abc import Callable
from functools import lru_cache

import torch

_Function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def run_in_team(address: int, argument: int, threads: int) -> None:
    """Call a C function of one pointer from several threads at once, and wait for all.

    The system may grant fewer threads, so the function must take its share of the work itself.

    Args:
        address: the function; it must not need Python.
        argument: the pointer.
        threads: number of threads, at least 1; the calling one is one of them.
    """
    parallel, function = _open_mp(), _Function(address)
    if threads == 1:
        function(argument)
    elif parallel is not None:
        parallel(address, argument, threads, 0)
    else:
        others = [threading.Thread(target=function, args=(argument,)) for _ in range(threads - 1)]
        for thread in others:
            thread.start()
        function(argument)
        for thread in others:
            thread.join()


@lru_cache
def _open_mp() -> Callable[..., None] | None:
    """Return OpenMP's function for a parallel region, from the library that PyTorch has loaded."""
    try:
        function = ctypes.CDLL(torch._C.__file__).GOMP_parallel
    except (AttributeError, OSError):  # another kind of OpenMP, or none
        return None
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    function.restype = None
    parallel: Callable[..., None] = function
    return parallel
