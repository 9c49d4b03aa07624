"""Engines that integrate velocity fields, one per kind of device, with the same results.

An engine is a module with four functions: `product`, `forward`, `backward` and `jacobian`. `plain`
uses only PyTorch; tests compare values and gradients of the others with it. On a CPU, the module
`fit` also runs the loops of small fits. The Triton kernels of `gpu` depend on the device, its
driver and a compiler, so `first_use` also compares them where they are to run.
"""

from functools import lru_cache
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor

from cpabmm_core.compilation import Kernels
from cpabmm_core.cpab.engines import first_use, plain

CPU_KERNELS = Kernels(f"{__name__}.rehearsal")
"""The kernels of the engine `cpu` that an animation calls."""


def engine_for(tensor: Tensor) -> ModuleType:
    """Return the fastest engine for the tensor's device that runs correctly on this machine.

    The first use of a CUDA device checks its engine; a notice tells if that fails. Within
    `compilation.compiling_in_background`, a CPU uses `plain` until the kernels are compiled.
    """
    kind = tensor.device.type
    if kind == "cpu":
        return _cpu_engine() if CPU_KERNELS.ready() else plain
    return first_use.engine_on_cuda(tensor) if kind == "cuda" else plain


def working_dtype(tensor: Tensor) -> torch.dtype:
    """Return the dtype to compute in.

    On a CPU float64 costs little and keeps the error of float32 points at their rounding.
    """
    return torch.float64 if tensor.device.type == "cpu" else tensor.dtype


def compiled_fits(tensor: Tensor) -> ModuleType | None:
    """Return the module of compiled fits if the tensor is on a CPU and Numba runs here."""
    if engine_for(tensor).__name__ != f"{__name__}.cpu":
        return None
    return import_module(f"{__name__}.fit")


@lru_cache
def _cpu_engine() -> ModuleType:
    try:
        return import_module(f"{__name__}.cpu")
    except ImportError:  # Numba has no build for this system
        return plain
