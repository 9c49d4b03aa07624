"""Keep coordinates out of mixed precision: bfloat16 has only 8 bits of precision."""

import torch


def autocast_off(device: torch.device) -> torch.autocast:
    """Return a context in which operations on the device keep the precision of their inputs."""
    return torch.autocast(device.type, enabled=False)
