"""Reconstruction without a pretrained network: L1 of pixels and of their gradients, multi-scale."""

import torch.nn.functional as F
from torch import Tensor, nn

SCALES = 4
_GRADIENT_WEIGHT = 2.0


class PixelLoss(nn.Module):
    """Mean over scales 1, 1/2, 1/4, 1/8 of the L1 distance of values and of finite differences.

    Scales at which fewer than 4 pixels are left on a side do not count.
    """

    def forward(
        self,
        generated: Tensor,  # (B, 3, H, W) in [0, 1]
        driving: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # ()
        """The loss."""
        error = generated - driving
        total, used = error.new_zeros(()), 0
        for scale in range(SCALES):
            if scale:
                error = F.avg_pool2d(error, 2)
            if min(error.shape[2:]) < 4:
                break
            used += 1
            total = total + error.abs().mean() + _GRADIENT_WEIGHT * _gradient(error)
        return total / max(used, 1)


def _gradient(error: Tensor) -> Tensor:
    along_x = (error[..., :, 1:] - error[..., :, :-1]).abs().mean()
    along_y = (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    return (along_x + along_y) / 2
