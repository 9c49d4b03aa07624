"""A trial of a half precision on a device, with the operators of the networks.

A device may have a precision by name and yet lack an operator in it, compute it wrongly, or, on a
CPU, more slowly than in float32. So before a precision is chosen automatically, a small network
computes values and gradients in it, and they are compared with float32 on the CPU.
"""

import time
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from cpabmm_core.files.checks import one_line

_VALUE, _GRADIENT = 0.1, 0.6
"""Largest differences from float32, relative in the Euclidean norm. bfloat16 reaches 0.008 and 0.19
(float16 0.001 and 0.06): ReLU and normalisation magnify rounding on the way back to the image."""
_REASON_CHARACTERS = 160
_OUTPUTS = 2
_TIMED_CHANNELS, _TIMED_SIDE = 128, 32
_REPEATS = 5


@lru_cache
def trial_failure(device: torch.device, dtype: torch.dtype) -> str | None:
    """Return what is wrong with a precision on a device, or None; tried once per process.

    Takes a tenth of a second. It disturbs no random state, and runs whatever modes of autograd and
    autocast the caller is in.

    Args:
        device: a CPU or a CUDA device.
        dtype: bfloat16 or float16.

    Returns:
        The end of a sentence about the precision, such as ``gives NaN or infinity``.

    Raises:
        torch.OutOfMemoryError: the device has no memory left.
    """
    with torch.inference_mode(mode=False), torch.enable_grad():
        true = _results(torch.device("cpu"), torch.float32)
        try:
            mine = _results(device, dtype)
            is_slow = device.type == "cpu" and _seconds(dtype) > _seconds(torch.float32)
        except torch.OutOfMemoryError:
            raise  # not the fault of the precision
        except Exception as error:  # an operator that is missing, or a library that is
            return f"does not run ({type(error).__name__}: {one_line(error)[:_REASON_CHARACTERS]})"
    return _difference(mine, true) or ("is slower than float32" if is_slow else None)


def _difference(mine: list[Tensor], true: list[Tensor]) -> str | None:
    for index, (value, expected) in enumerate(zip(mine, true, strict=True)):
        if not value.isfinite().all():
            return "gives NaN or infinity"
        error = float((value - expected).norm() / expected.norm())
        if error > (_VALUE if index < _OUTPUTS else _GRADIENT):
            return f"differs from float32 by {error:.0%}"
    return None


def _results(device: torch.device, dtype: torch.dtype) -> list[Tensor]:
    """Return the outputs and the gradients of all inputs, in float32 on the CPU."""
    inputs = [
        _waves(2, 3, 32, 32),
        *(_waves(*shape) / 8 for shape in ((16, 3, 7, 7), (32, 16, 3, 3), (16, 48, 3, 3))),
        *(_waves(*shape) / 8 for shape in ((4, 16, 7, 7), (10, 32))),
    ]
    leaves = [tensor.to(device).requires_grad_() for tensor in inputs]
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32, cache_enabled=False):
        outputs = _network(*leaves)
    weighted = [(output.float() * _waves(*output.shape).to(device)).sum() for output in outputs]
    gradients = torch.autograd.grad(weighted[0] + weighted[1], leaves)
    return [tensor.detach().float().cpu() for tensor in (*outputs, *gradients)]


def _network(
    images: Tensor,  # (B, 3, H, W)
    stem: Tensor,
    down: Tensor,
    up: Tensor,
    head: Tensor,
    linear: Tensor,
) -> tuple[Tensor, Tensor]:  # (B, 4, H, W), (B, 10)
    """Compute an hourglass of one level, and a regression from its coarse features."""
    fine = F.relu(F.instance_norm(F.conv2d(images, stem, padding=3)))
    coarse = F.avg_pool2d(F.relu(F.instance_norm(F.conv2d(fine, down, padding=1))), 2)
    doubled = torch.cat((F.interpolate(coarse, scale_factor=2.0), fine), dim=1)
    features = F.relu(F.instance_norm(F.conv2d(doubled, up, padding=1)))
    weights = F.conv2d(features, head, padding=3).softmax(dim=1)
    return weights, F.linear(coarse.mean(dim=(2, 3)), linear).sigmoid()


def _seconds(dtype: torch.dtype) -> float:
    """Return the shortest time of a few convolutions on the CPU."""
    channels, side = _TIMED_CHANNELS, _TIMED_SIDE
    image = torch.full((1, channels, side, side), 0.5, dtype=dtype, device="cpu")
    weight = torch.full((channels, channels, 3, 3), 0.5, dtype=dtype, device="cpu")
    taken = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        F.conv2d(image, weight, padding=1)
        taken.append(time.perf_counter() - start)
    return min(taken)


def _waves(*shape: int) -> Tensor:
    """Return numbers in [-1, 1] that look random, without a generator."""
    count = torch.Size(shape).numel()
    return (
        torch.arange(1.0, count + 1, dtype=torch.float64, device="cpu")
        .mul(2.4)
        .sin()
        .float()
        .view(shape)
    )
