"""Engines that integrate velocity fields, one per kind of device, with the same results.

An engine is a module with four functions: `product`, `forward`, `backward` and `jacobian`. `plain`
uses only PyTorch; tests compare values and gradients of the others with it.
"""

from functools import lru_cache
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor

from cpabmm_core.compilation import Kernels

_PREFERRED = {"cpu": "cpu", "cuda": "gpu"}
CPU_KERNELS = Kernels(f"{__name__}.rehearsal")
"""The kernels of the engine `cpu` that an animation calls."""


def engine_for(tensor: Tensor) -> ModuleType:
    """Return the fastest engine for the tensor's device that this machine can run.

    Within `compilation.compiling_in_background`, that is `plain` until the kernels are compiled.
    """
    name = _PREFERRED.get(tensor.device.type, "plain")
    return _engine(name if name != "cpu" or CPU_KERNELS.ready() else "plain")


def working_dtype(tensor: Tensor) -> torch.dtype:
    """Return the dtype to compute in.

    On a CPU float64 costs little and keeps the error of float32 points at their rounding.
    """
    return torch.float64 if tensor.device.type == "cpu" else tensor.dtype


@lru_cache
def _engine(name: str) -> ModuleType:
    try:
        return import_module(f"{__name__}.{name}")
    except ImportError:  # Numba or Triton has no build for this system
        return import_module(f"{__name__}.plain")
