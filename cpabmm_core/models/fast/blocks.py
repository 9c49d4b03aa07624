"""Views of the networks' blocks for inference: fused, and without copies."""

import torch
from torch import Tensor

from cpabmm_core.models.blocks import Hourglass, ResidualBlock, SameBlock
from cpabmm_core.models.fast.convolution import FastConv2d
from cpabmm_core.models.fast.folding import fold
from cpabmm_core.models.fast.normalisation import normalise, relu
from cpabmm_core.models.fast.views import Prepare, adopt


class FastSameBlock(SameBlock):
    """View of a `SameBlock`, a `DownBlock` or an `UpBlock`."""

    pool = False
    upsampled = False

    def __init__(self, plain: SameBlock, prepare: Prepare) -> None:
        """Show `plain`."""
        adopt(self, plain, prepare)
        folded = fold(plain.conv, plain.norm, upsampled=self.upsampled)
        self._is_folded = folded is not None
        self._modules["conv"] = folded or FastConv2d(plain.conv, upsampled=self.upsampled)
        self.in_channels, self.out_channels = plain.conv.in_channels, plain.conv.out_channels

    def forward(
        self,
        x: Tensor,  # (B, in_channels, H, W)
        out: Tensor | None = None,
    ) -> Tensor:  # (B, out_channels, H', W')
        """Apply the block, and write the result to `out` if it is given."""
        maps: Tensor = self.conv(x)
        if not self._is_folded:
            maps = normalise(maps, self.norm)
        return relu(maps, pool=self.pool, out=out)


class FastDownBlock(FastSameBlock):
    """View of a `DownBlock`."""

    pool = True


class FastUpBlock(FastSameBlock):
    """View of an `UpBlock`."""

    upsampled = True


class FastResidualBlock(ResidualBlock):
    """View of a `ResidualBlock`."""

    def __init__(self, plain: ResidualBlock, prepare: Prepare) -> None:
        """Show `plain`."""
        adopt(self, plain, prepare)
        folded = fold(plain.conv1, plain.norm2)
        self._is_folded = folded is not None
        if folded is not None:
            self._modules["conv1"] = folded

    def forward(
        self,
        x: Tensor,  # (B, channels, H, W)
    ) -> Tensor:  # (B, channels, H, W)
        """Apply the block."""
        out: Tensor = self.conv1(relu(normalise(x, self.norm1)))
        if not self._is_folded:
            out = normalise(out, self.norm2)
        out = self.conv2(relu(out))
        return out.add_(x) if out.dtype == x.dtype else out + x


class FastHourglass(Hourglass):
    """View of an `Hourglass`: a level is written where the decoder reads it, not concatenated."""

    def __init__(self, plain: Hourglass, prepare: Prepare) -> None:
        """Show `plain`."""
        adopt(self, plain, prepare)

    def forward(
        self,
        x: Tensor,  # (B, in_channels, H, W), H and W divisible by 2 ** blocks
    ) -> list[Tensor]:  # coarse to fine, each (B, out_channels[i], H / 2^j, W / 2^j)
        """Encode the input, then decode it."""
        batch, _, height, width = x.shape
        dtype = computing_dtype(x)
        ups = [*self.up_blocks][::-1]
        levels, tails = [], []
        for number, (down, up) in enumerate(zip(self.down_blocks, ups, strict=True)):
            channels = up.out_channels + down.in_channels
            size = (height >> number, width >> number)
            levels.append(joint_maps(x, (batch, channels, *size), dtype))
            tails.append(levels[-1][:, up.out_channels :])
        x = tails[0].copy_(x)
        for down, tail in zip(self.down_blocks, [*tails[1:], None], strict=True):
            x = down(x, tail)
        for up, level in zip(self.up_blocks, reversed(levels), strict=True):
            up(x, level[:, : up.out_channels])
            x = level
        return levels[::-1]


def joint_maps(
    like: Tensor, shape: tuple[int, int, int, int], dtype: torch.dtype | None = None
) -> Tensor:
    """Return memory in channels-last order: a range of channels can be written by itself."""
    dtype = like.dtype if dtype is None else dtype
    return torch.empty(shape, dtype=dtype, device=like.device, memory_format=torch.channels_last)


def computing_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype in which convolutions compute: that of autocast, or of `x` without it."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
