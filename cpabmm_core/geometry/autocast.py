"""Coordinates are kept out of mixed precision: bfloat16 tells only 256 positions apart."""

import torch


def autocast_off(device: torch.device) -> torch.autocast:
    """Context in which operations on that device keep the precision of their inputs."""
    return torch.autocast(device.type, enabled=False)
