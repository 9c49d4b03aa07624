"""Inpainting network of TPSMM and CPABMM: warps and masks features at every scale."""

import torch
from torch import Tensor, nn

from cpabmm_core.models.blocks import ResidualBlock, UpBlock
from cpabmm_core.models.dense_motion import Motion
from cpabmm_core.models.generator import Generator
from cpabmm_core.models.narrow_convolution import NarrowConv2d


class InpaintingNetwork(Generator):
    """Generator that warps and masks every encoder level; its decoder fills in occluded regions.

    Zhao and Zhang, Thin-Plate Spline Motion Model for Image Animation (CVPR 2022), section 3.3.

    Example:
        >>> from cpabmm_core.geometry.coordinates import identity_grid
        >>> network = InpaintingNetwork(block_expansion=4, max_features=16, down_blocks=2).eval()
        >>> visible = [torch.ones(1, 1, side, side) for side in (8, 16, 32)]
        >>> contributions, deformed = torch.ones(1, 1, 8, 8), torch.zeros(1, 1, 3, 8, 8)
        >>> motion = Motion(identity_grid(8, 8)[None], contributions, visible, deformed)
        >>> source = torch.rand(1, 3, 32, 32)
        >>> torch.allclose(network(source, motion), source, atol=1e-5)  # all visible, at rest
        True
    """

    def __init__(
        self, block_expansion: int = 64, max_features: int = 512, down_blocks: int = 3
    ) -> None:
        """Create the layers.

        Args:
            block_expansion: channels of the finest level; they double from level to level.
            max_features: upper bound of the channels of a level.
            down_blocks: number of times the image is halved.
        """
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
        self.to_rgb = NarrowConv2d(self.widths[0], 3, kernel_size=7)

    def render(
        self,
        source: Tensor,  # (B, 3, H, W), or (1, 3, H, W), in [0, 1]
        features: list[Tensor],  # fine to coarse
        motion: Motion,
    ) -> Tensor:  # (B, 3, H, W) in [0, 1]
        """Render the source in each driving pose from its feature maps.

        With the finest occlusion map M, the result is (1 - M) x decoded + M x warped source.

        Args:
            source: source images; one image may serve all poses.
            features: their feature maps, from `encode`.
            motion: the motion to each driving pose, with an occlusion map for every level.

        Returns:
            One image per driving pose.
        """
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
