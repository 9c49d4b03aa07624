"""Inpainting network: renders the driving frame from the warped source."""

import torch
from torch import Tensor, nn

from cpabmm_core.geometry.warp import resize_flow, warp
from cpabmm_core.models.blocks import DownBlock, ResidualBlock, SameBlock, UpBlock
from cpabmm_core.models.dense_motion import Motion


class InpaintingNetwork(nn.Module):
    """Encoder whose levels are warped and masked, and a decoder that fills in the rest."""

    def __init__(
        self, block_expansion: int = 64, max_features: int = 512, down_blocks: int = 3
    ) -> None:
        super().__init__()
        widths = [min(max_features, block_expansion * 2**level) for level in range(down_blocks + 1)]
        self.stem = SameBlock(3, widths[0], kernel_size=7)
        self.down_blocks = nn.ModuleList(
            DownBlock(widths[level], widths[level + 1]) for level in range(down_blocks)
        )
        self.residual_blocks = nn.ModuleList()
        self.up_blocks = nn.ModuleList()
        features = widths[-1]
        for level in reversed(range(down_blocks)):
            self.residual_blocks.append(
                nn.Sequential(ResidualBlock(features), ResidualBlock(features))
            )
            self.up_blocks.append(UpBlock(features, widths[level]))
            features = 2 * widths[level]
        self.to_rgb = nn.Conv2d(widths[0], 3, 7, padding=3)

    def forward(
        self,
        source: Tensor,  # (B, 3, H, W), or (1, 3, H, W), in [0, 1]
        motion: Motion,
    ) -> Tensor:  # (B, 3, H, W) in [0, 1]
        """Encode the source and render it in motion."""
        return self.render(source, self.encode(source), motion)

    def encode(
        self,
        image: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> list[Tensor]:  # fine to coarse, each (B, C_i, H / 2^i, W / 2^i)
        """Feature maps of an image, which do not depend on the motion."""
        features = [self.stem(image)]
        for down in self.down_blocks:
            features.append(down(features[-1]))
        return features

    def render(
        self,
        source: Tensor,  # (B, 3, H, W), or (1, 3, H, W), in [0, 1]
        features: list[Tensor],  # of the source, from `encode`
        motion: Motion,
    ) -> Tensor:  # (B, 3, H, W) in [0, 1]
        """Draw the source in motion from its features."""
        *finer, coarsest = warp_features(features, motion)
        visible = motion.occlusion_maps[-1]
        out = coarsest
        for level, (residual, up) in enumerate(
            zip(self.residual_blocks, self.up_blocks, strict=True)
        ):
            if level > 0:
                out = torch.cat((out, finer.pop()), dim=1)
            out = up(residual(out))
        out = torch.sigmoid(self.to_rgb(out * (1 - visible) + finer.pop()))
        warped = warp(source, resize_flow(motion.deformation, _size(source)))
        return out * (1 - visible) + warped * visible


def warp_features(
    features: list[Tensor],  # fine to coarse, each (B, C_i, h_i, w_i), or batch 1
    motion: Motion,
) -> list[Tensor]:  # fine to coarse, each (B, C_i, h_i, w_i)
    """Feature maps of a source, moved by the flow and masked by the occlusion maps."""
    warped = [warp(level, resize_flow(motion.deformation, _size(level))) for level in features]
    return mask_features(warped, motion)


def mask_features(
    features: list[Tensor],  # fine to coarse, each (B, C_i, h_i, w_i)
    motion: Motion,
) -> list[Tensor]:  # fine to coarse, each (B, C_i, h_i, w_i)
    """Feature maps of a driving frame where the source shows the same."""
    masks = reversed(motion.occlusion_maps)
    return [level * mask for level, mask in zip(features, masks, strict=True)]


def _size(
    image: Tensor,  # (B, C, H, W)
) -> tuple[int, int]:
    return image.shape[2], image.shape[3]
