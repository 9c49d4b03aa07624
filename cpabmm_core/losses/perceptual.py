"""Perceptual loss: features of a frozen network at four scales (Johnson et al., ECCV 2016).

As usual in the field, each scale is blurred and subsampled from the full frame, as in
https://github.com/yoyo-nb/Thin-Plate-Spline-Motion-Model (modules/model.py, ImagePyramide).
"""

import torch
from torch import Tensor, nn

from cpabmm_core.models.blocks import AntiAliasDownsample
from cpabmm_core.models.frozen.perceptual import PyramidFeatures

_FACTORS = (2, 4, 8)


class PerceptualLoss(nn.Module):
    """Sum of the mean L1 distances over feature maps and the scales 1, 1/2, 1/4 and 1/8.

    Scales that are too small for the network are skipped.

    Args:
        features: the frozen network.

    Example:
        >>> class Brightness(nn.Module):
        ...     smallest_side = 8
        ...     def forward(self, images):
        ...         return [images.mean(1, keepdim=True)]
        >>> loss = PerceptualLoss(Brightness())
        >>> loss(torch.zeros(1, 3, 16, 16), torch.ones(1, 3, 16, 16)) > 0
        tensor(True)
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
        """Return the loss; driving frames are constants."""
        total = generated.new_zeros(())
        for scale in self.scales:
            scaled = scale(generated)
            if min(scaled.shape[2:]) < self.features.smallest_side:
                break
            with torch.no_grad():
                targets = self.features(scale(driving))
            for found, target in zip(self.features(scaled), targets, strict=True):
                total = total + (found - target).abs().mean()
        return total
