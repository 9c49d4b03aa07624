"""Views of the generators for inference: every flow and mask is sampled once, nothing is copied."""

import torch
from torch import Tensor

from cpabmm_core.models.dense_motion import Motion
from cpabmm_core.models.fast.blocks import joint_maps
from cpabmm_core.models.fast.sampled_motion import SampledMotion
from cpabmm_core.models.fast.views import Prepare, adopt
from cpabmm_core.models.inpainting import InpaintingNetwork
from cpabmm_core.models.occlusion_aware import OcclusionAwareGenerator


class FastInpaintingNetwork(InpaintingNetwork):
    """View of an `InpaintingNetwork`."""

    def __init__(self, plain: InpaintingNetwork, prepare: Prepare) -> None:
        """Show `plain`."""
        adopt(self, plain, prepare)

    def render(
        self,
        source: Tensor,  # (B, 3, H, W), or (1, 3, H, W), in [0, 1]
        features: list[Tensor],  # fine to coarse
        motion: Motion,
    ) -> Tensor:  # (B, 3, H, W) in [0, 1]
        """Render the source in each driving pose from its feature maps."""
        sampled = SampledMotion(motion)
        *finer, coarsest = features
        out = sampled.warp_masked(coarsest)
        for residual, up in zip(self.residual_blocks, self.up_blocks, strict=True):
            out = residual(out)
            level = finer.pop()
            if not finer:
                out = sampled.blend(up(out), level)
                break
            _, channels, height, width = level.shape
            own = self.widths[len(finer)]  # a decoder level is as wide as its encoder level
            joined = joint_maps(out, (len(out), own + channels, height, width))
            up(out, joined[:, :own])
            sampled.warp_masked(level, joined[:, own:])
            out = joined
        return sampled.blend(torch.sigmoid(self.to_rgb(out)), source)


class FastOcclusionAwareGenerator(OcclusionAwareGenerator):
    """View of an `OcclusionAwareGenerator`."""

    def __init__(self, plain: OcclusionAwareGenerator, prepare: Prepare) -> None:
        """Show `plain`."""
        adopt(self, plain, prepare)

    def render(
        self,
        source: Tensor,  # (B, 3, H, W), or (1, 3, H, W), in [0, 1]
        features: list[Tensor],  # fine to coarse
        motion: Motion,
    ) -> Tensor:  # (B, 3, H, W) in [0, 1]
        """Render the source in each driving pose from its feature maps."""
        sampled = SampledMotion(motion)
        out = sampled.warp_masked(features[-1])
        for block in self.residual_blocks:
            out = block(out)
        for up, level in zip(self.up_blocks, features[:0:-1], strict=True):
            out = up(self._blended(out, level, sampled))
        out = torch.sigmoid(self.to_rgb(self._blended(out, features[0], sampled)))
        return self._blended(out, source, sampled)

    def _blended(self, decoded: Tensor, level: Tensor, sampled: SampledMotion) -> Tensor:
        return sampled.blend(decoded, level) if self.skips else decoded
