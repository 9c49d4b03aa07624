"""Choice of the precision that the networks compute in.

bfloat16 pays where the processor has instructions for it. Where it has none it is emulated: a CPU
with AVX2 alone computed a matrix product 25 to 500 times slower in bfloat16 than in float32.
"""

import time
from collections.abc import Mapping
from typing import Literal

import torch

from cpabmm_core.errors import ConfigError

Precision = Literal["fp32", "bf16", "fp16"]
PrecisionChoice = Literal["auto", "fp32", "bf16", "fp16"]

DTYPES: Mapping[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
_CPU_FEATURES = ("avx512_bf16", "amx_bf16")
_BF16_CORES, _FP16_CORES = (8, 0), (7, 0)
"""CUDA compute capabilities from which on there are tensor cores for each."""
_TRIAL_SIDE = 192
_TRIALS = 5


def choose_precision(choice: str, device: torch.device) -> Precision:
    """The precision of that name; ``auto`` takes the fastest that the device computes natively.

    On CUDA ``auto`` is bfloat16, else float16, where there are tensor cores for it; on a CPU
    bfloat16 if it has AVX-512 BF16 or AMX; float32 everywhere else.

    Raises:
        ConfigError: there is no such precision.
    """
    for name in DTYPES:
        if choice == name:
            return name
    if choice != "auto":
        raise ConfigError(f"precision {choice}: unknown; take one of auto, {', '.join(DTYPES)}")
    if device.type == "cuda":
        return _best_on_cuda(device)
    return "bf16" if device.type == "cpu" and cpu_computes_bf16() else "fp32"


def cpu_computes_bf16() -> bool:
    """Whether the CPU has instructions for bfloat16, as torch reports its features."""
    query = getattr(torch.cpu, "get_capabilities", None)  # newer than the oldest torch we take
    features: Mapping[str, object] = {} if query is None else query()
    return any(bool(features.get(name)) for name in _CPU_FEATURES)


def precision_warning(choice: str, device: torch.device) -> str | None:
    """One line where bfloat16 was asked for by name and the CPU only emulates it; None elsewhere.

    Takes a fraction of a second, for it measures how much slower that is.
    """
    if choice != "bf16" or device.type != "cpu" or cpu_computes_bf16():
        return None
    return (
        f"bf16: this CPU emulates it, {emulation_factor():.0f} times slower than float32 in a "
        "trial; take auto"
    )


def emulation_factor() -> float:
    """Time of a matrix product in bfloat16 over its time in float32, on the CPU, by a trial."""
    return _seconds(torch.bfloat16) / _seconds(torch.float32)


def _best_on_cuda(device: torch.device) -> Precision:
    capability = torch.cuda.get_device_capability(device)
    if capability >= _BF16_CORES:
        return "bf16"
    return "fp16" if capability >= _FP16_CORES else "fp32"


def _seconds(dtype: torch.dtype) -> float:
    """The shortest of a few trials; the first one of a process also sets up the library."""
    matrix = torch.full((_TRIAL_SIDE, _TRIAL_SIDE), 0.5, dtype=dtype)
    taken = []
    for _ in range(_TRIALS):
        start = time.perf_counter()
        matrix @ matrix
        taken.append(time.perf_counter() - start)
    return min(taken)
