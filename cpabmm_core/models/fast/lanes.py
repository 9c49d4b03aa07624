"""Lanes: threads that each compute some frames of a batch.

An operator on a small map has too little work for two threads, and starting and joining them costs
more than they save. But frames do not depend on each other. A lane computes whole frames with its
share of PyTorch's threads, and waits for nobody.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from itertools import pairwise
from typing import TypeVar

import torch

_Result = TypeVar("_Result")


class _Lanes:
    """The threads of this process; they start when they are first needed."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="lane")
        self.here = threading.local()


_lanes = _Lanes()


def _forget_threads() -> None:
    global _lanes  # noqa: PLW0603 - a child process has none of its parent's threads
    _lanes = _Lanes()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget_threads)


def in_lanes(work: Callable[[slice], _Result], count: int, device: torch.device) -> list[_Result]:
    """Call `work` with the parts of a batch, in order of the parts' results.

    On a CPU there are as many parts as PyTorch has threads, and they are computed at the same time.
    Each sees the gradient mode, the autocast and the context variables of the caller. On other
    devices and inside a lane, `work` is called once.

    Args:
        work: computes the frames of a slice; it is called from several threads at once.
        count: number of frames, at least 1.
        device: the device that computes.
    """
    threads = torch.get_num_threads()
    lanes = min(count, threads)
    if lanes < 2 or device.type != "cpu" or getattr(_lanes.here, "is_lane", False):
        return [work(slice(0, count))]
    bounds = [count * lane // lanes for lane in range(lanes + 1)]
    run = _with_state_of_caller(work, threads // lanes)
    futures = [
        _lanes.pool.submit(copy_context().run, run, slice(*part)) for part in pairwise(bounds)
    ]
    wait(futures)
    # A lane's choice is also the default of threads that start later.
    torch.set_num_threads(threads)
    return [future.result() for future in futures]


def _with_state_of_caller(
    work: Callable[[slice], _Result], threads: int
) -> Callable[[slice], _Result]:
    """Return `work` with PyTorch's state of this thread, which others do not inherit."""
    gradients, inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
    casts, dtype = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    def run(part: slice) -> _Result:
        _lanes.here.is_lane = True
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        with (
            torch.inference_mode(inference),
            torch.set_grad_enabled(gradients),
            torch.autocast("cpu", dtype, enabled=casts),
        ):
            return work(part)

    return run
