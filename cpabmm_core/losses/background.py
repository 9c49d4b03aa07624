"""Background loss: forward and backward motion are inverse (MRAA, Siarohin et al., CVPR 2021)."""

import torch
from torch import Tensor


def background_loss(
    forward: Tensor,  # (B, 3, 3)
    backward: Tensor,  # (B, 3, 3)
) -> Tensor:  # ()
    """Return the mean L1 distance of the product of both motions from the identity.

    Args:
        forward: affine background motion from source to driving frame.
        backward: affine background motion from driving to source frame.

    Example:
        >>> shift = torch.tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]])
        >>> background_loss(shift, shift.inverse())
        tensor(0.)
    """
    identity = torch.eye(3, device=forward.device, dtype=forward.dtype)
    return (forward @ backward - identity).abs().mean()
