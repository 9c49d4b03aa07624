"""Coordinates stay out of mixed precision: bfloat16 resolves only 256 positions in an interval."""

import torch


def autocast_off(device: torch.device) -> torch.autocast:
    """Return a context in which operations on the device keep the precision of their inputs."""
    return torch.autocast(device.type, enabled=False)
