"""The engines that integrate velocity fields: the same results, by what the device does best.

An engine is a module of four functions, `product`, `forward`, `backward` and `jacobian`. `plain` is
PyTorch alone; the others are held against it, in value and gradient.
"""

from functools import lru_cache
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor

_PREFERRED = {"cpu": "cpu", "cuda": "gpu"}


def engine_for(tensor: Tensor) -> ModuleType:
    """The fastest engine for the tensor's device that this machine can run."""
    return _engine(_PREFERRED.get(tensor.device.type, "plain"))


def working_dtype(tensor: Tensor) -> torch.dtype:
    """On a CPU float64 costs little, and keeps float32 points exact to their own rounding."""
    return torch.float64 if tensor.device.type == "cpu" else tensor.dtype


@lru_cache
def _engine(name: str) -> ModuleType:
    try:
        return import_module(f"{__name__}.{name}")
    except ImportError:  # Numba or Triton has no build for this system
        return import_module(f"{__name__}.plain")
