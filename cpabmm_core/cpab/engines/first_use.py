"""The choice of the engine for a CUDA device when it is first used.

The kernels are compiled on the user's machine for its GPU, by its compiler and driver, where nobody
may have run them before. So the first use of a device compares end points, gradients and
derivatives of a small case with those of `plain` on the CPU. If the kernels cannot be imported,
compiled or launched, or if their results differ, `plain` replaces them on that device, and one
notice says so. The kernels have one variant per dtype whatever the sizes, so the check runs the
same machine code as all later calls.

The choice is kept per device and dtype for the life of the process. While a CUDA graph is captured
nothing can be checked, because that would wait for the device. The next use outside of a capture
makes up for it.
"""

from importlib import import_module
from threading import Lock
from types import ModuleType

import torch
from torch import Tensor

from cpabmm_core.cpab.engines import plain
from cpabmm_core.cpab.engines.agreement import disagreement
from cpabmm_core.files.checks import one_line
from cpabmm_core.notices import notify

_KERNELS = "cpabmm_core.cpab.engines.gpu"
_REASON_CHARACTERS = 160

_chosen: dict[tuple[torch.device, torch.dtype], ModuleType] = {}
_announced: set[torch.device] = set()
_lock = Lock()


def engine_on_cuda(tensor: Tensor) -> ModuleType:
    """Return the engine for a tensor on a CUDA device; check the kernels if the device is new.

    Safe to call from several threads: one checks, the others wait for its result.

    Raises:
        torch.OutOfMemoryError: the device has no memory left for the check.
    """
    key = tensor.device, tensor.dtype
    chosen = _chosen.get(key)
    return _choose(*key) if chosen is None else chosen


def _choose(device: torch.device, dtype: torch.dtype) -> ModuleType:
    with torch.cuda.device(device):
        if torch.cuda.is_current_stream_capturing():
            return _load()[0]
        with _lock:
            if (device, dtype) in _chosen:
                return _chosen[device, dtype]
            engine, trouble = _checked(device, dtype)
            _chosen[device, dtype] = engine
            is_news = trouble is not None and device not in _announced
            if is_news:
                _announced.add(device)
    if is_news:
        notify(f"{device}: CPAB uses PyTorch's slower operators, because its kernels {trouble}")
    return engine


def _load() -> tuple[ModuleType, str | None]:
    """Return the kernels, or `plain` and what is wrong with the kernels."""
    try:
        return import_module(_KERNELS), None
    except Exception as error:  # a damaged installation of Triton raises all kinds
        return plain, f"cannot be imported ({_reason(error)})"


def _checked(device: torch.device, dtype: torch.dtype) -> tuple[ModuleType, str | None]:
    """Return the kernels if they give the right results, else the same as `_load`."""
    engine, trouble = _load()
    if trouble is not None:
        return engine, trouble
    try:
        wrong = disagreement(engine, device, dtype)
    except torch.OutOfMemoryError:
        raise  # not the fault of the kernels
    except Exception as error:  # of the compiler, the driver or the device
        return plain, f"do not run here ({type(error).__name__}: {_reason(error)})"
    return (engine, None) if wrong is None else (plain, f"give wrong {wrong} here")


def _reason(error: Exception) -> str:
    return one_line(error)[:_REASON_CHARACTERS]
