"""The flows and masks of a motion at the sizes that a generator needs, each computed once."""

import torch
from torch import Tensor

from cpabmm_core.geometry.warping import resize_flow, warp
from cpabmm_core.models.dense_motion import Motion


class SampledMotion:
    """Warps and masks maps of any size as `Motion` does, and keeps each size's flow and mask."""

    def __init__(self, motion: Motion) -> None:
        self._motion = motion
        self._flows: dict[tuple[int, int], Tensor] = {}
        self._masks: dict[tuple[int, int], Tensor] = {}

    def warp(
        self,
        image: Tensor,  # (B, C, H, W), or (1, C, H, W)
    ) -> Tensor:  # (B, C, H, W)
        """Warp the source, or one of its feature maps."""
        size, corners = (image.shape[2], image.shape[3]), self._motion.align_corners
        if size not in self._flows:
            # Resizing leaves the two coordinates apart in memory; sampling would join them again.
            flow = resize_flow(self._motion.deformation, size, align_corners=corners)
            self._flows[size] = flow.contiguous()
        return warp(image, self._flows[size], padding=self._motion.padding, align_corners=corners)

    def visible(
        self,
        image: Tensor,  # (B, C, H, W)
    ) -> Tensor:  # (B, 1, H, W)
        """Return the occlusion map of an image's size."""
        size = (image.shape[2], image.shape[3])
        if size not in self._masks:
            self._masks[size] = self._motion.visible(image)
        return self._masks[size]

    def warp_masked(
        self,
        image: Tensor,  # (B, C, H, W), or (1, C, H, W)
        out: Tensor | None = None,
    ) -> Tensor:  # (B, C, H, W)
        """Warp a feature map and mask what is occluded; write the result to `out` if given."""
        return torch.mul(self.warp(image), self.visible(image), out=out)

    def blend(
        self,
        decoded: Tensor,  # (B, C, H, W); it is overwritten
        image: Tensor,  # (B, C, H, W), or (1, C, H, W)
    ) -> Tensor:  # (B, C, H, W)
        """Return ``decoded x (1 - M) + warped x M`` with the occlusion map M."""
        warped, visible = self.warp(image), self.visible(image)
        if decoded.dtype == warped.dtype == visible.dtype:
            return decoded.lerp_(warped, visible)
        return decoded * (1 - visible) + warped * visible
