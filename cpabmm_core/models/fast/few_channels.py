"""Convolutions with few output channels, such as those that compute images and masks."""

import torch.nn.functional as F
from torch import Tensor, nn

_MOST_CHANNELS = 4
_SMALLEST_KERNEL = 5


def has_few_channels(conv: nn.Conv2d) -> bool:
    """Return whether `by_rows` computes the convolution in less time than PyTorch's operator."""
    return (
        conv.out_channels <= _MOST_CHANNELS
        and min(conv.kernel_size) >= _SMALLEST_KERNEL
        and conv.stride == conv.dilation == (1, 1)
        and conv.groups == 1
        and conv.padding_mode == "zeros"
        and not isinstance(conv.padding, str)
    )


def by_rows(
    x: Tensor,  # (B, C, H, W)
    weight: Tensor,  # (D, C, K, L)
    bias: Tensor | None,  # (D,)
    padding: tuple[int, ...],  # above, beside
) -> Tensor:  # (B, D, H', W')
    """Convolve with each row of the kernel alone, and add the results, each shifted by its row.

    A processor computes 8 or 16 output channels at a time, however few there are. Here the rows are
    output channels of one convolution, K times as many.
    """
    channels, _, rows, _ = weight.shape
    above, beside = padding
    flat = weight.permute(2, 0, 1, 3).flatten(0, 1)[:, :, None]
    result = F.conv2d(x, flat, padding=(0, beside))
    parts = result.view(len(x), rows, channels, *result.shape[2:])
    height = x.shape[2] + 2 * above - rows + 1
    out = parts.new_zeros(len(x), channels, height, parts.shape[-1])
    if bias is not None:
        out += bias[:, None, None]
    for row in range(rows):
        shift = row - above
        first, last = max(0, -shift), min(height, x.shape[2] - shift)
        if first < last:
            out[:, :, first:last] += parts[:, row, :, first + shift : last + shift]
    return out
