"""Reconstruction loss without a pretrained network: L1 of pixels and of image gradients."""

import torch.nn.functional as F
from torch import Tensor, nn

SCALES = 4
_GRADIENT_WEIGHT = 2.0
_SMALLEST_SIDE = 4


class PixelLoss(nn.Module):
    """Mean L1 distance of pixels and image gradients over the scales 1, 1/2, 1/4 and 1/8.

    Image gradients are finite differences along x and y. They count twice as much as pixels. Scales
    with a side shorter than 4 pixels are skipped.

    Example:
        >>> import torch
        >>> PixelLoss()(torch.zeros(1, 3, 16, 16), torch.ones(1, 3, 16, 16))
        tensor(1.)
    """

    def forward(
        self,
        generated: Tensor,  # (B, 3, H, W) in [0, 1]
        driving: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # ()
        """Return the loss."""
        error = generated - driving
        total, used = error.new_zeros(()), 0
        for scale in range(SCALES):
            if scale:
                error = F.avg_pool2d(error, 2)
            if min(error.shape[2:]) < _SMALLEST_SIDE:
                break
            used += 1
            total = total + error.abs().mean() + _GRADIENT_WEIGHT * _mean_gradient(error)
        return total / max(used, 1)


def _mean_gradient(error: Tensor) -> Tensor:
    along_x = (error[..., :, 1:] - error[..., :, :-1]).abs().mean()
    along_y = (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    return (along_x + along_y) / 2
