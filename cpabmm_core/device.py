"""Choice of the device that holds the tensors."""

import torch

from cpabmm_core.errors import Remedy, ResourceError


def resolve_device(name: str) -> torch.device:
    """Return the device that a name stands for.

    Args:
        name: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``. ``auto`` prefers CUDA, then MPS,
            then the CPU.

    Raises:
        ResourceError: the name is unknown, or this machine has no such device.

    Example:
        >>> resolve_device("cpu")
        device(type='cpu')
    """
    if name == "auto":
        return torch.device(_best())
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ResourceError(
            f"{name}: unknown device; give auto, cpu, cuda, cuda:N or mps"
        ) from None
    if not _is_present(device):
        raise ResourceError(
            f"{name}: this machine has no such device",
            'pass device="auto" or "cpu"',
            remedy=Remedy.CHOOSE_DEVICE,
        )
    return device


def is_cpu(name: str) -> bool:
    """Return whether a name stands for the CPU.

    Accelerate connects the processes of a machine without a GPU only if it is told this; otherwise
    each of them works alone.

    Args:
        name: as for `resolve_device`.

    Raises:
        ResourceError: the name is unknown, or this machine has no such device.

    Example:
        >>> is_cpu("cpu")
        True
    """
    return resolve_device(name).type == "cpu"


def _best() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _is_present(device: torch.device) -> bool:
    if device.type == "cuda":
        return (device.index or 0) < torch.cuda.device_count()
    return device.type == "cpu" or (device.type == "mps" and torch.backends.mps.is_available())
