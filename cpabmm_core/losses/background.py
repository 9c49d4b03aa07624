"""Background loss: there and back again is the identity (MRAA, Siarohin et al., 2021)."""

import torch
from torch import Tensor


def background_loss(
    forward: Tensor,  # (B, 3, 3)
    backward: Tensor,  # (B, 3, 3)
) -> Tensor:  # ()
    """Mean L1 distance of the product of both motions from the identity."""
    identity = torch.eye(3, device=forward.device, dtype=forward.dtype)
    return (forward @ backward - identity).abs().mean()
