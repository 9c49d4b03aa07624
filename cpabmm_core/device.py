"""Choice of the device that the tensors live on."""

import torch

from cpabmm_core.errors import ResourceError


def resolve_device(name: str) -> torch.device:
    """The device of that name; ``auto`` takes CUDA, else MPS, else the CPU.

    Raises:
        ResourceError: there is no such device on this machine.
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
        raise ResourceError(f"{name}: this machine has no such device; use --device auto or cpu")
    return device


def _best() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _is_present(device: torch.device) -> bool:
    if device.type == "cuda":
        return (device.index or 0) < torch.cuda.device_count()
    return device.type == "cpu" or (device.type == "mps" and torch.backends.mps.is_available())
