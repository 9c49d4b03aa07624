"""Base class of the generators: an encoder of the source that does not depend on the motion."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from cpabmm_core.models.blocks import DownBlock, Norm, SameBlock, level_widths
from cpabmm_core.models.dense_motion import Motion


class Generator(nn.Module, ABC):
    """Renders a source image in a driving pose.

    Subclasses define the decoder: ``residual_blocks``, ``up_blocks``, ``to_rgb`` and `render`.

    Example:
        >>> import torch
        >>> from cpabmm_core.models import InpaintingNetwork
        >>> generator: Generator = InpaintingNetwork(4, 16, down_blocks=2)
        >>> [tuple(features.shape) for features in generator.encode(torch.rand(1, 3, 32, 32))]
        [(1, 4, 32, 32), (1, 8, 16, 16), (1, 16, 8, 8)]
    """

    residual_blocks: nn.ModuleList
    up_blocks: nn.ModuleList
    to_rgb: nn.Conv2d

    def __init__(
        self, block_expansion: int, max_features: int, down_blocks: int, *, norm: Norm
    ) -> None:
        """Create the encoder.

        Args:
            block_expansion: channels of the finest level; they double from level to level.
            max_features: upper bound of the channels of a level.
            down_blocks: number of times the image is halved.
            norm: normalisation of the blocks.
        """
        super().__init__()
        self.widths = level_widths(block_expansion, max_features, down_blocks)
        """Channels of the encoder levels, fine to coarse."""
        self.stem = SameBlock(3, self.widths[0], kernel_size=7, norm=norm)
        self.down_blocks = nn.ModuleList(
            DownBlock(self.widths[level], self.widths[level + 1], norm=norm)
            for level in range(down_blocks)
        )

    def forward(
        self,
        source: Tensor,  # (B, 3, H, W), or (1, 3, H, W), in [0, 1]
        motion: Motion,
    ) -> Tensor:  # (B, 3, H, W) in [0, 1]
        """Encode the source and render it in each driving pose.

        Args:
            source: source images; one image may serve all poses.
            motion: the motion to each driving pose.

        Returns:
            One image per driving pose.
        """
        return self.render(source, self.encode(source), motion)

    def encode(
        self,
        image: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> list[Tensor]:  # fine to coarse, each (B, C_i, H / 2^i, W / 2^i)
        """Compute the feature maps of an image.

        Args:
            image: RGB images.

        Returns:
            One map per level, the first one at full size.
        """
        features = [self.stem(image)]
        for down in self.down_blocks:
            features.append(down(features[-1]))
        return features

    @abstractmethod
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
