"""Inpainting network: renders the driving frame from the warped source."""

import torch
from torch import Tensor, nn

from cpabmm_core.models.blocks import ResidualBlock, UpBlock
from cpabmm_core.models.dense_motion import Motion
from cpabmm_core.models.generator import Generator


class InpaintingNetwork(Generator):
    """Encoder whose levels are warped and masked, and a decoder that fills in the rest."""

    def __init__(
        self, block_expansion: int = 64, max_features: int = 512, down_blocks: int = 3
    ) -> None:
        super().__init__(block_expansion, max_features, down_blocks, norm="instance")
        self.residual_blocks = nn.ModuleList()
        self.up_blocks = nn.ModuleList()
        features = self.widths[-1]
        for width in reversed(self.widths[:-1]):
            self.residual_blocks.append(
                nn.Sequential(ResidualBlock(features), ResidualBlock(features))
            )
            self.up_blocks.append(UpBlock(features, width))
            features = 2 * width
        self.to_rgb = nn.Conv2d(self.widths[0], 3, 7, padding=3)

    def render(
        self,
        source: Tensor,  # (B, 3, H, W), or (1, 3, H, W), in [0, 1]
        features: list[Tensor],  # of the source, from `encode`
        motion: Motion,
    ) -> Tensor:  # (B, 3, H, W) in [0, 1]
        """Draw the source in motion from its features."""
        *finer, coarsest = motion.warp_features(features)
        visible = motion.occlusion_maps[-1]
        out = coarsest
        for level, (residual, up) in enumerate(
            zip(self.residual_blocks, self.up_blocks, strict=True)
        ):
            if level > 0:
                out = torch.cat((out, finer.pop()), dim=1)
            out = up(residual(out))
        out = torch.sigmoid(self.to_rgb(out * (1 - visible) + finer.pop()))
        return out * (1 - visible) + motion.warp(source) * visible
