"""Frames of any size to and from what a model works on."""

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
    """The square of a frame that the model sees (`media.framing`), in [0, 1].

    Raises:
        DataError: `frame` is not (H, W, 3) uint8 with at least one pixel.
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
    """The images as (H, W, 3) uint8, rounded to the nearest."""
    rounded = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    return list(rounded.permute(0, 2, 3, 1).contiguous().cpu().numpy())


def resize(
    images: Tensor,  # (B, 3, H, W) in [0, 1]
    size: int,
) -> Tensor:  # (B, 3, size, size) in [0, 1]
    """Resize bicubically, with antialiasing."""
    if images.shape[2:] == (size, size):
        return images
    # Bicubic weights are partly negative, so results can leave the range.
    return F.interpolate(images, (size, size), mode="bicubic", antialias=True).clamp(0, 1)


def batches(frames: Iterable[Frame], size: int) -> Iterator[list[Frame]]:
    """Lists of `size` frames in order, the last one perhaps shorter; reads no further ahead."""
    remaining = iter(frames)
    while batch := list(islice(remaining, size)):
        yield batch
