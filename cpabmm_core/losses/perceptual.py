"""Perceptual loss: features of a frozen VGG-19 at four scales (Johnson et al., 2016)."""

import torch.nn.functional as F
from torch import Tensor, nn

from cpabmm_core.models.frozen.vgg import Vgg19Features

SCALES = 4


class PerceptualLoss(nn.Module):
    """Sum over 5 layers and scales 1, 1/2, 1/4, 1/8 of the L1 distance of VGG-19 features."""

    def __init__(self, features: Vgg19Features) -> None:
        super().__init__()
        self.features = features

    def forward(
        self,
        generated: Tensor,  # (B, 3, H, W) in [0, 1]
        driving: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # ()
        """The loss."""
        total = generated.new_zeros(())
        for scale in range(SCALES):
            if scale:
                generated, driving = F.avg_pool2d(generated, 2), F.avg_pool2d(driving, 2)
            if min(generated.shape[2:]) < self.features.smallest_side:
                break
            wanted = self.features(driving)
            for mine, truth in zip(self.features(generated), wanted, strict=True):
                total = total + (mine - truth.detach()).abs().mean()
        return total
