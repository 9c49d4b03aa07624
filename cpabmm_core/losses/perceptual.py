"""Perceptual loss: features of a frozen network at four scales (Johnson et al., 2016).

The pyramid is that of the field: each scale is blurred and thinned out from the full frame, as in
https://github.com/yoyo-nb/Thin-Plate-Spline-Motion-Model (modules/model.py, ImagePyramide).
"""

import torch
from torch import Tensor, nn

from cpabmm_core.models.blocks import AntiAliasDownsample
from cpabmm_core.models.frozen.perceptual import PyramidFeatures

_FACTORS = (2, 4, 8)


class PerceptualLoss(nn.Module):
    """Sum over feature maps and scales 1, 1/2, 1/4, 1/8 of their mean L1 distance.

    Scales at which a side is too short for the network do not count.
    """

    def __init__(self, features: PyramidFeatures) -> None:
        super().__init__()
        self.features = features
        self.scales = nn.ModuleList(
            (nn.Identity(), *(AntiAliasDownsample(factor) for factor in _FACTORS))
        )

    def forward(
        self,
        generated: Tensor,  # (B, 3, H, W) in [0, 1]
        driving: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # ()
        """The loss."""
        total = generated.new_zeros(())
        for scale in self.scales:
            shrunk = scale(generated)
            if min(shrunk.shape[2:]) < self.features.smallest_side:
                break
            with torch.no_grad():
                wanted = self.features(scale(driving))
            for mine, truth in zip(self.features(shrunk), wanted, strict=True):
                total = total + (mine - truth).abs().mean()
        return total
