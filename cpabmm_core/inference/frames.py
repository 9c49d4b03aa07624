"""Conversion between frames of any size and a model's input and output."""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import DataError
from cpabmm_core.media.framing import square_frame


def to_model_input(frame: Frame, size: int, device: torch.device) -> Tensor:  # (1, 3, size, size)
    """Crop a frame to its largest centred square and resize it to the model's input.

    Args:
        frame: (H, W, 3) uint8 RGB.
        size: side of the result in pixels.
        device: device of the result.

    Returns:
        The image, float32 in [0, 1].

    Raises:
        DataError: `frame` is not (H, W, 3) uint8 with at least one pixel.

    Example:
        >>> to_model_input(np.full((48, 64, 3), 255, np.uint8), 32, torch.device("cpu")).shape
        torch.Size([1, 3, 32, 32])
    """
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
        raise DataError(
            f"frame: expected (H, W, 3) uint8 RGB, got {frame.shape} {frame.dtype}; convert it"
        )
    image = torch.from_numpy(square_frame(frame, size)).to(device)
    return image.permute(2, 0, 1)[None].float() / 255


def to_frames(
    images: Tensor,  # (B, 3, H, W) in [0, 1]
) -> list[Frame]:
    """Convert images to (H, W, 3) uint8 frames, rounding to the nearest level.

    Args:
        images: values outside [0, 1] are clamped.

    Returns:
        One frame per image.

    Example:
        >>> [frame] = to_frames(torch.full((1, 3, 2, 2), 0.5))
        >>> frame[0, 0].tolist()
        [128, 128, 128]
    """
    rounded = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    return list(rounded.permute(0, 2, 3, 1).contiguous().cpu().numpy())


def resize(
    images: Tensor,  # (B, 3, H, W) in [0, 1]
    size: int,
) -> Tensor:  # (B, 3, size, size) in [0, 1]
    """Resize images by antialiased bicubic interpolation."""
    if images.shape[2:] == (size, size):
        return images
    # Some bicubic weights are negative, so results can leave the range.
    return F.interpolate(images, (size, size), mode="bicubic", antialias=True).clamp(0, 1)


def batches(frames: Iterable[Frame], size: int) -> Iterator[list[Frame]]:
    """Split frames into lists of `size`; the last may be shorter. Reads one batch at a time."""
    remaining = iter(frames)
    while batch := list(islice(remaining, size)):
        yield batch
