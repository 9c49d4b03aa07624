"""A 3 x 3 convolution of an image enlarged by nearest-neighbour upsampling, in fewer operations.

Upsampling by 2 repeats each pixel, so several of the nine weights meet the same pixel. With their
sums, each of the four output phases is a 2 x 2 convolution of the small image: 4/9 of the
multiplications, in the forward pass and in both backward passes, and the large image is neither
computed nor stored. The four phases together are a transposed convolution of stride 2 whose 4 x 4
kernel is the 3 x 3 kernel convolved with a 2 x 2 box.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from cpabmm_core.geometry.autocast import autocast_off

_BOX = torch.tensor(
    [
        [float({3 - i - y, 3 - j - x} <= {0, 1}) for y in range(4) for x in range(4)]
        for i in range(3)
        for j in range(3)
    ]
)
"""(9, 16): from a 3 x 3 kernel to itself convolved with a 2 x 2 box, and turned round, because a
transposed convolution applies its kernel from the input's point of view."""


def upsampled_convolution(
    x: Tensor,  # (B, C, H, W)
    weight: Tensor,  # (D, C, 3, 3)
    bias: Tensor | None,  # (D,)
) -> Tensor:  # (B, D, 2 H, 2 W)
    """Return ``conv2d(interpolate(x, scale_factor=2), weight, bias, padding=1)``.

    Convention: zero padding of one pixel of the enlarged image. Differentiable once in all
    arguments.

    Args:
        x: images or feature maps.
        weight: weights of the convolution.
        bias: its bias.

    Example:
        >>> x, weight = torch.rand(1, 2, 4, 5), torch.rand(3, 2, 3, 3)
        >>> expected = F.conv2d(F.interpolate(x, scale_factor=2.0), weight, padding=1)
        >>> torch.allclose(upsampled_convolution(x, weight, None), expected, atol=1e-5)
        True
    """
    return F.conv_transpose2d(x, _Boxed.apply(weight), bias, stride=2, padding=1)


class _Boxed(torch.autograd.Function):
    """The kernel of the transposed convolution, by one matrix product for speed."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        weight: Tensor,  # (D, C, 3, 3)
    ) -> Tensor:  # (C, D, 4, 4)
        outputs, inputs = weight.shape[:2]
        with autocast_off(weight.device):
            rows = weight.transpose(0, 1).reshape(-1, 9) @ _BOX.to(weight)
        return rows.view(inputs, outputs, 4, 4)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        inputs, outputs = gradient.shape[:2]
        with autocast_off(gradient.device):
            rows = gradient.reshape(-1, 16) @ _BOX.to(gradient).T
        return rows.view(inputs, outputs, 3, 3).transpose(0, 1)
