"""Occlusion-aware generator of FOMM and MRAA: the warped source passes through one bottleneck."""

import torch
from torch import Tensor, nn

from cpabmm_core.models.blocks import ResidualBlock, UpBlock
from cpabmm_core.models.dense_motion import Motion
from cpabmm_core.models.generator import Generator


class OcclusionAwareGenerator(Generator):
    """Encoder, warping, residual blocks at the coarsest level, decoder.

    Without skips only the coarsest level is warped and masked (Siarohin et al., First Order Motion
    Model, NeurIPS 2019, section 3.2). With skips every decoder level, and the picture at the end,
    is mixed with the warped source at the same level, which counts where it is visible (Siarohin et
    al., Motion Representations for Articulated Animation, CVPR 2021).
    """

    def __init__(
        self,
        block_expansion: int = 64,
        max_features: int = 512,
        down_blocks: int = 2,
        *,
        bottleneck_blocks: int = 6,
        skips: bool = False,
    ) -> None:
        super().__init__(block_expansion, max_features, down_blocks, norm="batch")
        self.skips = skips
        self.residual_blocks = nn.ModuleList(
            ResidualBlock(self.widths[-1], norm="batch") for _ in range(bottleneck_blocks)
        )
        coarse_to_fine = self.widths[::-1]
        self.up_blocks = nn.ModuleList(
            UpBlock(coarse_to_fine[level], coarse_to_fine[level + 1], norm="batch")
            for level in range(down_blocks)
        )
        self.to_rgb = nn.Conv2d(self.widths[0], 3, 7, padding=3)

    def render(
        self,
        source: Tensor,  # (B, 3, H, W), or (1, 3, H, W), in [0, 1]
        features: list[Tensor],  # of the source, from `encode`
        motion: Motion,
    ) -> Tensor:  # (B, 3, H, W) in [0, 1]
        """Draw the source in motion from its features."""
        coarsest = features[-1]
        out = motion.warp(coarsest) * motion.visible(coarsest)
        for block in self.residual_blocks:
            out = block(out)
        for up, level in zip(self.up_blocks, features[:0:-1], strict=True):
            out = up(self._mixed(out, level, motion))
        out = torch.sigmoid(self.to_rgb(self._mixed(out, features[0], motion)))
        return self._mixed(out, source, motion)

    def _mixed(
        self,
        drawn: Tensor,  # (B, C, h, w)
        level: Tensor,  # (B, C, h, w), or batch 1, of the source at the same level
        motion: Motion,
    ) -> Tensor:  # (B, C, h, w)
        if not self.skips:
            return drawn
        visible = motion.visible(level)
        return drawn * (1 - visible) + motion.warp(level) * visible
