"""Choice of the precision that the networks compute in.

bfloat16 is fast only on processors with instructions for it. Others emulate it: on a CPU with only
AVX2, a matrix product took 25 to 500 times as long in bfloat16 as in float32.
"""

import time
from collections.abc import Mapping
from typing import Literal

import torch

from cpabmm_core.errors import ConfigError
from cpabmm_core.precision_trial import trial_failure

Precision = Literal["fp32", "bf16", "fp16"]
"""float32, bfloat16 or float16."""
PrecisionChoice = Literal["auto", "fp32", "bf16", "fp16"]
"""A precision, or ``auto`` for the fastest one that the device computes natively and correctly."""

DTYPES: Mapping[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
"""The type of tensors in each precision."""
_CPU_FEATURES = ("avx512_bf16", "amx_bf16")
_BF16_CORES, _FP16_CORES = (8, 0), (7, 0)
"""The lowest CUDA compute capabilities with tensor cores for each type."""
_TRIAL_SIDE = 192
_TRIALS = 5


def choose_precision(choice: str, device: torch.device) -> Precision:
    """Return the precision to compute in.

    Args:
        choice: a precision, or ``auto`` for the fastest one that the device computes natively. On
            CUDA that is bfloat16 or else float16 if the device has tensor cores for it, on a CPU
            bfloat16 if it has AVX-512 BF16 or AMX, and float32 everywhere else. ``auto`` tries
            the first two once per device, and chooses float32 if the trial fails;
            `precision_warning` then tells why.
        device: the device that computes.

    Raises:
        ConfigError: the precision is unknown.

    Example:
        >>> choose_precision("fp16", torch.device("cpu"))
        'fp16'
    """
    for name in DTYPES:
        if choice == name:
            return name
    if choice != "auto":
        raise ConfigError(f"precision {choice}: unknown; choose one of auto, {', '.join(DTYPES)}")
    return "fp32" if _auto_failure(device) else _native(device)


def cpu_computes_bf16() -> bool:
    """Return whether the CPU has instructions for bfloat16, as torch reports its features."""
    query = getattr(torch.cpu, "get_capabilities", None)  # missing from the oldest supported torch
    features: Mapping[str, object] = {} if query is None else query()
    return any(bool(features.get(name)) for name in _CPU_FEATURES)


def precision_warning(choice: str, device: torch.device) -> str | None:
    """Return a warning about a precision, which begins with its name, or None.

    There is one if the user chose bfloat16 by name and the CPU emulates it; it states a measured
    slowdown, which takes a fraction of a second. There is another if ``auto`` had to fall back to
    float32, because a half precision has failed a trial on this device.
    """
    if choice == "auto":
        failure = _auto_failure(device)
        return failure and f"auto: {failure} in a trial on {device}, so fp32 is used"
    if choice != "bf16" or device.type != "cpu" or cpu_computes_bf16():
        return None
    return (
        f"bf16: this CPU emulates it, {emulation_factor():.0f} times slower than float32 in a "
        "trial; use auto"
    )


def emulation_factor() -> float:
    """Measure the time of a matrix product on the CPU in bfloat16, relative to float32."""
    return _seconds(torch.bfloat16) / _seconds(torch.float32)


def _native(device: torch.device) -> Precision:
    """Return the fastest precision that the device has instructions for."""
    if device.type == "cuda":
        return _best_on_cuda(device)
    return "bf16" if device.type == "cpu" and cpu_computes_bf16() else "fp32"


def _auto_failure(device: torch.device) -> str | None:
    """Return how the native half precision fails on the device, or None."""
    native = _native(device)
    failure = None if native == "fp32" else trial_failure(device, DTYPES[native])
    return failure and f"{native} {failure}"


def _best_on_cuda(device: torch.device) -> Precision:
    capability = torch.cuda.get_device_capability(device)
    if capability >= _BF16_CORES:
        return "bf16"
    return "fp16" if capability >= _FP16_CORES else "fp32"


def _seconds(dtype: torch.dtype) -> float:
    """Return the shortest time of a few trials; the first one also initialises the library."""
    matrix = torch.full((_TRIAL_SIDE, _TRIAL_SIDE), 0.5, dtype=dtype)
    taken = []
    for _ in range(_TRIALS):
        start = time.perf_counter()
        matrix @ matrix
        taken.append(time.perf_counter() - start)
    return min(taken)
