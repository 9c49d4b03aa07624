"""Layers shared by the networks."""

import math
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpabmm_core.models.instance_norm import InstanceNorm2d
from cpabmm_core.models.upsampled_convolution import upsampled_convolution

Norm = Literal["instance", "batch"]


def make_norm(norm: Norm, channels: int) -> nn.Module:
    """Create a normalisation layer with a learned scale and shift per channel."""
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return InstanceNorm2d(channels)


class SameBlock(nn.Module):
    """Convolution, normalisation and ReLU; the size stays the same."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        norm: Norm = "instance",
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.norm = make_norm(norm, out_channels)

    def forward(
        self,
        x: Tensor,  # (B, in_channels, H, W)
    ) -> Tensor:  # (B, out_channels, H, W)
        """Apply the block."""
        return F.relu(self.norm(self.conv(x)), inplace=True)


class DownBlock(SameBlock):
    """A `SameBlock` followed by 2 x 2 average pooling."""

    def forward(
        self,
        x: Tensor,  # (B, in_channels, H, W)
    ) -> Tensor:  # (B, out_channels, H / 2, W / 2)
        """Apply the block."""
        return F.avg_pool2d(super().forward(x), 2)


class UpBlock(SameBlock):
    """A `SameBlock` on the input, upsampled by 2 (nearest neighbour)."""

    def forward(
        self,
        x: Tensor,  # (B, in_channels, H, W)
    ) -> Tensor:  # (B, out_channels, 2 H, 2 W)
        """Apply the block."""
        if self.training and x.device.type == "cpu":
            out = upsampled_convolution(x, self.conv.weight, self.conv.bias)
            return F.relu(self.norm(out), inplace=True)
        return super().forward(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class ResidualBlock(nn.Module):
    """Two pre-activated 3 x 3 convolutions added to the input."""

    def __init__(self, channels: int, *, norm: Norm = "instance") -> None:
        super().__init__()
        self.norm1 = make_norm(norm, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = make_norm(norm, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(
        self,
        x: Tensor,  # (B, channels, H, W)
    ) -> Tensor:  # (B, channels, H, W)
        """Apply the block."""
        out: Tensor = self.conv1(F.relu(self.norm1(x), inplace=True))
        out = self.conv2(F.relu(self.norm2(out), inplace=True))
        return x + out


def level_widths(block_expansion: int, max_features: int, levels: int) -> list[int]:
    """Return the channels at full size and after each of `levels` halvings.

    Example:
        >>> level_widths(64, 256, 3)
        [64, 128, 256, 256]
    """
    return [min(max_features, block_expansion * 2**level) for level in range(levels + 1)]


class Hourglass(nn.Module):
    """Encoder and decoder with skip connections; returns every decoder level."""

    def __init__(
        self,
        in_channels: int,
        block_expansion: int,
        max_features: int,
        blocks: int,
        *,
        norm: Norm = "instance",
    ) -> None:
        super().__init__()
        widths = level_widths(block_expansion, max_features, blocks)
        encoder_widths = [in_channels, *widths[1:]]
        self.down_blocks = nn.ModuleList(
            DownBlock(a, b, norm=norm) for a, b in pairwise(encoder_widths)
        )
        self.up_blocks = nn.ModuleList()
        self.out_channels: list[int] = []
        """Channels of the decoder levels, coarse to fine."""
        features = widths[-1]
        for level in reversed(range(blocks)):
            self.up_blocks.append(UpBlock(features, widths[level], norm=norm))
            features = widths[level] + encoder_widths[level]
            self.out_channels.append(features)

    def forward(
        self,
        x: Tensor,  # (B, in_channels, H, W), H and W divisible by 2 ** blocks
    ) -> list[Tensor]:  # coarse to fine, each (B, out_channels[i], H / 2^j, W / 2^j)
        """Encode the input, then decode it with concatenated skips."""
        skips = []
        for down in self.down_blocks:
            skips.append(x)
            x = down(x)
        levels = []
        for up in self.up_blocks:
            x = torch.cat((up(x), skips.pop()), dim=1)
            levels.append(x)
        return levels


class AntiAliasDownsample(nn.Module):
    """Gaussian blur, then every `factor`-th pixel along each axis, from the first; factor >= 2."""

    kernel: Tensor  # (size,)

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor
        sigma = (factor - 1) / 2
        radius = round(4 * sigma)
        # Not with torch: on its device meta, where a model shows its shapes, every computation
        # imports PyTorch's compiler.
        weights = [math.exp(-(x**2) / (2 * sigma**2)) for x in range(-radius, radius + 1)]
        total = sum(weights)
        kernel = torch.tensor([weight / total for weight in weights])
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(
        self,
        image: Tensor,  # (B, C, H, W)
    ) -> Tensor:  # (B, C, ceil(H / factor), ceil(W / factor))
        """Downsample the image, first along y, then along x."""
        channels = image.shape[1]
        size = self.kernel.shape[0]
        kernel = self.kernel.to(image.dtype).expand(channels, 1, size)
        rows = F.conv2d(
            image,
            kernel[..., None],
            stride=(self.factor, 1),
            padding=(size // 2, 0),
            groups=channels,
        )
        return F.conv2d(
            rows,
            kernel[:, :, None],
            stride=(1, self.factor),
            padding=(0, size // 2),
            groups=channels,
        )
