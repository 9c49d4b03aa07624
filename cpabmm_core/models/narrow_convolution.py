"""A convolution to very few channels that wastes little arithmetic while it trains on a CPU.

Convolutions on CPUs compute 8 or 16 output channels at a time, so one output channel costs as much
as 8 or 16. Instead, the weights of all positions of the kernel can be the output channels of one
matrix product, whose results are then shifted and added: ``fold``. For more than one channel the
additions cost more than they save, but the layout channels-last saves a third to a half.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class NarrowConv2d(nn.Conv2d):
    """A convolution with stride 1 whose output has the size of its input and very few channels.

    It computes the same as `torch.nn.Conv2d`, whose parameters it has.

    Example:
        >>> head = NarrowConv2d(8, 1, kernel_size=7)
        >>> head(torch.rand(1, 8, 16, 16)).shape
        torch.Size([1, 1, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(
        self,
        x: Tensor,  # (B, in_channels, H, W)
    ) -> Tensor:  # (B, out_channels, H, W)
        """Apply the convolution."""
        # In 16 bits, every addition of `fold` would round.
        if self.training and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu"):
            if self.out_channels == 1:
                return _shifted_products(x, self.weight, self.bias)
            x = x.contiguous(memory_format=torch.channels_last)
        return super().forward(x)


def _shifted_products(
    x: Tensor,  # (B, C, H, W)
    weight: Tensor,  # (D, C, k, k), k odd
    bias: Tensor | None,  # (D,)
) -> Tensor:  # (B, D, H, W)
    outputs, inputs, side, _ = weight.shape
    # Each pixel is moved to where the kernel would meet it, which turns the kernel round.
    columns = weight.flip(2, 3).permute(0, 2, 3, 1).reshape(outputs * side**2, inputs, 1, 1)
    products = F.conv2d(x, columns).flatten(2)
    folded = F.fold(products, (x.shape[2], x.shape[3]), side, padding=side // 2)
    return folded if bias is None else folded + bias[:, None, None]
