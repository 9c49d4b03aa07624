"""Gaussian blur of images."""

import torch
import torch.nn.functional as F
from torch import Tensor


def gaussian_blur(
    images: Tensor,  # (B, C, H, W)
    deviation: float,
    window: int,
) -> Tensor:  # (B, C, H, W)
    """Blur images along y, then along x; beyond their borders they are reflected.

    Args:
        images: the images, each side longer than half the window.
        deviation: standard deviation of the Gaussian, in pixels.
        window: number of its weights along each axis, an odd number.
    """
    channels, half = images.shape[1], window // 2
    offsets = torch.arange(-half, half + 1, dtype=images.dtype, device=images.device)
    weights = (-0.5 * (offsets / deviation).square()).exp()
    weights = (weights / weights.sum()).expand(channels, 1, window)
    padded = F.pad(images, (half, half, half, half), mode="reflect")
    padded = F.conv2d(padded, weights[..., None], groups=channels)
    return F.conv2d(padded, weights[:, :, None], groups=channels)
