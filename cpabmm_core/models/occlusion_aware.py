"""Generator of FOMM and MRAA: the warped features pass through one bottleneck."""

import torch
from torch import Tensor, nn

from cpabmm_core.models.blocks import ResidualBlock, UpBlock
from cpabmm_core.models.dense_motion import Motion
from cpabmm_core.models.generator import Generator
from cpabmm_core.models.narrow_convolution import NarrowConv2d


class OcclusionAwareGenerator(Generator):
    """Encoder, warping and masking, residual blocks at the coarsest level, decoder.

    Without skips, only the coarsest level is warped and masked (Siarohin et al., First Order Motion
    Model, NeurIPS 2019, section 3.2). With skips, every decoder level and the output image are
    blended with the warped source at the same level, weighted by the occlusion map (Siarohin et
    al., Motion Representations for Articulated Animation, CVPR 2021).

    Example:
        >>> from cpabmm_core.geometry.coordinates import identity_grid
        >>> network = OcclusionAwareGenerator(4, 16, down_blocks=2, bottleneck_blocks=1, skips=True)
        >>> visible, deformed = [torch.ones(1, 1, 8, 8)], torch.zeros(1, 1, 3, 8, 8)
        >>> motion = Motion(identity_grid(8, 8)[None], torch.ones(1, 1, 8, 8), visible, deformed)
        >>> source = torch.rand(1, 3, 32, 32)
        >>> torch.allclose(network.eval()(source, motion), source, atol=1e-5)
        True
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
        """Create the layers.

        Args:
            block_expansion: channels of the finest level; they double from level to level.
            max_features: upper bound of the channels of a level.
            down_blocks: number of times the image is halved.
            bottleneck_blocks: number of residual blocks at the coarsest level.
            skips: blend every decoder level with the warped source (MRAA).
        """
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
        self.to_rgb = NarrowConv2d(self.widths[0], 3, kernel_size=7)

    def render(
        self,
        source: Tensor,  # (B, 3, H, W), or (1, 3, H, W), in [0, 1]
        features: list[Tensor],  # fine to coarse
        motion: Motion,
    ) -> Tensor:  # (B, 3, H, W) in [0, 1]
        """Render the source in each driving pose from its feature maps.

        Args:
            source: source images; one image may serve all poses.
            features: their feature maps, from `encode`.
            motion: the motion to each driving pose.

        Returns:
            One image per driving pose.
        """
        coarsest = features[-1]
        out = motion.warp(coarsest) * motion.visible(coarsest)
        for block in self.residual_blocks:
            out = block(out)
        for up, level in zip(self.up_blocks, features[:0:-1], strict=True):
            out = up(self._blend(out, level, motion))
        out = torch.sigmoid(self.to_rgb(self._blend(out, features[0], motion)))
        return self._blend(out, source, motion)

    def _blend(
        self,
        decoded: Tensor,  # (B, C, h, w)
        level: Tensor,  # (B, C, h, w), or batch 1, of the source at the same level
        motion: Motion,
    ) -> Tensor:  # (B, C, h, w)
        if not self.skips:
            return decoded
        visible = motion.visible(level)
        return decoded * (1 - visible) + motion.warp(level) * visible
