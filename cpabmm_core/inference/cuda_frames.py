"""Batches of frames on a CUDA device: how many at a time, and their way to memory."""

import torch
from torch import Tensor

from cpabmm_core.arrays import Frame

_MOST = 32
"""Frames in a batch. A batch has a fixed cost, some thousands of launches for the fits of the
motion; this many frames share it, and larger batches gain little."""
_BYTES_PER_PIXEL = (1 << 30) / 256**2
"""Memory that a frame may take while it is rendered, by the pixels of the model's frames: 1 GiB at
256 px. This is a cautious estimate, not a measurement."""


def batch_size(device: torch.device, frame_size: int) -> int:
    """Return a number of frames that fit into the memory that the device has left.

    Args:
        device: a CUDA device.
        frame_size: side of the model's frames in pixels.
    """
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(_MOST, int(free / (_BYTES_PER_PIXEL * frame_size**2))))


def download(
    images: Tensor,  # (B, C, H, W) in [0, 1]
) -> list[Frame]:
    """Convert images on a device to (H, W, C) uint8 frames, with one copy and one wait for all.

    Args:
        images: values outside [0, 1] are clamped.

    Returns:
        One frame per image, rounded to the nearest level. They share their memory.
    """
    batch, channels, height, width = images.shape
    levels = torch.empty((batch, height, width, channels), dtype=torch.uint8, device=images.device)
    # One at a time: a batch of large images takes much more memory in float32 than in uint8.
    for image, level in zip(images, levels, strict=True):
        level.copy_((image.clamp(0, 1) * 255).round().permute(1, 2, 0))
    return list(levels.cpu().numpy())
