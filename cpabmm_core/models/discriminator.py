"""Discriminator: tells drawn frames from real ones, patch by patch (FOMM's, after pix2pix)."""

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from cpabmm_core.geometry.autocast import autocast_off
from cpabmm_core.models.blocks import level_widths, normalisation
from cpabmm_core.models.dense_motion import round_gaussians

_KERNEL_SIZE = 4
_SLOPE = 0.2
"""Of the leaky ReLU below zero."""


class Judgement(NamedTuple):
    """What the discriminator makes of frames."""

    features: list[Tensor]  # fine to coarse, each (B, C_i, h_i, w_i)
    realness: Tensor  # (B, 1, h, w), a number for each patch: 1 for real, 0 for drawn


class DiscriminatorBlock(nn.Module):
    """Convolution without padding, normalisation, leaky ReLU, and 2 x 2 average pooling."""

    def __init__(
        self, in_channels: int, out_channels: int, *, normalised: bool, pooled: bool
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, _KERNEL_SIZE)
        self.norm = normalisation("instance", out_channels) if normalised else nn.Identity()
        self.pooled = pooled

    def forward(
        self,
        x: Tensor,  # (B, in_channels, H, W)
    ) -> Tensor:  # (B, out_channels, H - 3, W - 3), half of it where it is pooled
        """Apply the block."""
        out: Tensor = F.leaky_relu(self.norm(self.conv(x)), _SLOPE)
        return F.avg_pool2d(out, 2) if self.pooled else out


class Discriminator(nn.Module):
    """Blocks of growing width, then one number for each place (FOMM, modules/discriminator.py).

    The first block has no normalisation, the last one no pooling.

    Args:
        keypoints: number of driving keypoints that are shown to it as heatmaps; 0 for none.
        block_expansion: half of the first block's features, doubled from block to block.
        max_features: upper bound of the features of a block.
        blocks: number of blocks.
        spectral_norm: divide each layer's weights by their spectral norm (Miyato et al., 2018).
    """

    def __init__(
        self,
        keypoints: int,
        block_expansion: int,
        max_features: int,
        blocks: int,
        *,
        spectral_norm: bool,
    ) -> None:
        super().__init__()
        self.sees_keypoints = keypoints > 0
        widths = [3 + keypoints, *level_widths(block_expansion, max_features, blocks)[1:]]
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(a, b, normalised=number > 0, pooled=number < blocks - 1)
            for number, (a, b) in enumerate(pairwise(widths))
        )
        self.to_realness = nn.Conv2d(widths[-1], 1, 1)
        if spectral_norm:
            _normalise_spectrally(self)

    def forward(
        self,
        frames: Tensor,  # (B, 3, H, W) in [0, 1], H and W at least `smallest_side`
        keypoints: Tensor,  # (B, N, 2 or 6) in [-1, 1], of the driving frames
    ) -> Judgement:
        """Judge the frames; in train mode spectral norms are estimated better with each call."""
        x = frames
        if self.sees_keypoints:
            heatmaps = round_gaussians(keypoints, (frames.shape[2], frames.shape[3]))
            x = torch.cat((frames, heatmaps), dim=1)
        features = []
        with parametrize.cached():
            self._take_spectral_norms(frames.device)
            for block in self.blocks:
                x = block(x)
                features.append(x)
            return Judgement(features, self.to_realness(x))

    def _take_spectral_norms(self, device: torch.device) -> None:
        """Compute them once for the pass, and not in 16 bits."""
        with autocast_off(device):
            for module in self.modules():
                if parametrize.is_parametrized(module):
                    module.weight  # noqa: B018 (its value stays in the cache)


def smallest_side(blocks: int) -> int:
    """Side in pixels of the smallest frames that a discriminator of so many blocks can judge.

    Example:
        >>> smallest_side(4)
        61
    """
    side = 1 if blocks == 1 else 2  # instance normalisation needs more than one pixel
    for _ in range(blocks - 1):
        side = 2 * (side + _KERNEL_SIZE - 1)
    return side + _KERNEL_SIZE - 1


def _normalise_spectrally(network: nn.Module) -> None:
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d):
            spectral_norm(module)
