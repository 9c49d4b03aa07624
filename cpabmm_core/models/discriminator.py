"""Patch discriminator that separates generated from real frames (FOMM's, after pix2pix)."""

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from cpabmm_core.geometry.autocast import autocast_off
from cpabmm_core.models.blocks import level_widths, make_norm
from cpabmm_core.models.heatmaps import isotropic_gaussians

_KERNEL_SIZE = 4
_SLOPE = 0.2
"""Slope of the leaky ReLU below zero."""


class DiscriminatorOutput(NamedTuple):
    """Output of the discriminator for a batch of frames."""

    features: list[Tensor]  # fine to coarse, each (B, C_i, h_i, w_i)
    """Feature maps of the blocks, for feature matching."""
    realness: Tensor  # (B, 1, h, w)
    """One score per patch, trained towards 1 for real and 0 for generated frames."""


class DiscriminatorBlock(nn.Module):
    """Convolution without padding, normalisation, leaky ReLU, and 2 x 2 average pooling."""

    def __init__(
        self, in_channels: int, out_channels: int, *, normalised: bool, pooled: bool
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, _KERNEL_SIZE)
        self.norm = make_norm("instance", out_channels) if normalised else nn.Identity()
        self.pooled = pooled

    def forward(
        self,
        x: Tensor,  # (B, in_channels, H, W)
    ) -> Tensor:  # (B, out_channels, H - 3, W - 3), halved if pooled
        """Apply the block."""
        out: Tensor = F.leaky_relu(self.norm(self.conv(x)), _SLOPE)
        return F.avg_pool2d(out, 2) if self.pooled else out


class Discriminator(nn.Module):
    """Blocks of growing width, and one score per patch (FOMM, modules/discriminator.py).

    The first block has no normalisation, the last one no pooling.

    Example:
        >>> discriminator = Discriminator(0, 4, 16, 2, spectral_norm=False)
        >>> output = discriminator(torch.rand(1, 3, 32, 32), torch.zeros(1, 5, 2))
        >>> output.realness.shape
        torch.Size([1, 1, 11, 11])
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
        """Create the layers.

        Args:
            keypoints: number of driving keypoints to show as heatmaps; 0 for none.
            block_expansion: half of the first block's channels; they double from block to block.
            max_features: upper bound of the channels of a block.
            blocks: number of blocks.
            spectral_norm: divide each layer's weights by their spectral norm (Miyato et al., 2018).
        """
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
    ) -> DiscriminatorOutput:
        """Score the frames; in training mode each call refines the estimated spectral norms.

        Args:
            frames: real or generated frames.
            keypoints: keypoints of the driving frames; ignored if the network takes none.

        Returns:
            The scores of the patches and the feature maps.
        """
        x = frames
        if self.sees_keypoints:
            heatmaps = isotropic_gaussians(keypoints, (frames.shape[2], frames.shape[3]))
            x = torch.cat((frames, heatmaps), dim=1)
        features = []
        with parametrize.cached():
            self._update_spectral_norms(frames.device)
            for block in self.blocks:
                x = block(x)
                features.append(x)
            return DiscriminatorOutput(features, self.to_realness(x))

    def _update_spectral_norms(self, device: torch.device) -> None:
        """Compute the spectral norms once per forward pass, in full precision."""
        with autocast_off(device):
            for module in self.modules():
                if parametrize.is_parametrized(module):
                    module.weight  # noqa: B018 (fills the parametrization cache)


def smallest_side(blocks: int) -> int:
    """Return the side of the smallest frames that a discriminator of `blocks` blocks accepts.

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
