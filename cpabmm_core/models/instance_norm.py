"""Instance normalisation that is faster while it trains on a CPU."""

import torch.nn.functional as F
from torch import Tensor, nn


class InstanceNorm2d(nn.InstanceNorm2d):
    """Instance normalisation with a learned scale and shift per channel.

    It computes the same as `torch.nn.InstanceNorm2d`. On a CPU, PyTorch normalises groups of
    channels with vector instructions, but sums up instances number by number; groups of one channel
    are instances.

    Example:
        >>> import torch
        >>> out = InstanceNorm2d(3)(torch.rand(2, 3, 8, 8))
        >>> bool(out.mean((2, 3)).abs().max() < 1e-5)
        True
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True)

    def forward(
        self,
        x: Tensor,  # (B, channels, H, W)
    ) -> Tensor:  # (B, channels, H, W)
        """Normalise each channel of each image."""
        if self.training and x.device.type == "cpu":
            return F.group_norm(x, self.num_features, self.weight, self.bias, self.eps)
        return super().forward(x)
