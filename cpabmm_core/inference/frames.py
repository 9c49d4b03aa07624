"""Conversion between frames of any size and a model's input and output."""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import DataError
from cpabmm_core.inference import cuda_frames
from cpabmm_core.inference.transparency import WHITE, Colour, on_matte
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
    check_frame(frame)
    image = torch.from_numpy(square_frame(frame, size)).to(device)
    return image.permute(2, 0, 1)[None].float() / 255


def check_frame(frame: Frame, name: str = "frame", *, alpha: bool = False) -> None:
    """Check that an array is a picture.

    Args:
        frame: (H, W, 3) uint8 RGB is expected.
        name: what the message calls it.
        alpha: whether it may also be (H, W, 4) uint8 RGBA.

    Raises:
        DataError: the array is something else, or empty.
    """
    channels = (3, 4) if alpha else (3,)
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] not in channels:
        expected = "(H, W, 3) uint8 RGB" + (" or (H, W, 4) RGBA" if alpha else "")
        raise DataError(f"{name}: expected {expected}, got {frame.shape} {frame.dtype}; convert it")
    if not frame.size:
        raise DataError(f"{name}: expected at least one pixel, got {frame.shape}")


def square_to_input(
    square: Frame,  # (H, H, 3 or 4)
    size: int,
    device: torch.device,
    matte: Colour = WHITE,
) -> Tensor:  # (1, 3 or 4, size, size)
    """Resize a square picture to a source image, on a colour where it is transparent.

    Args:
        square: uint8 RGB, or RGBA with colours that are not premultiplied.
        size: side of the result in pixels.
        device: device of the result.
        matte: the colour to put transparent parts on.

    Returns:
        The image, float32 in [0, 1]. With alpha, its colours are mixed with the matte, and the
        fourth channel is alpha.

    Raises:
        DataError: `square` has another layout.

    Example:
        >>> clear = np.zeros((8, 8, 4), np.uint8)
        >>> square_to_input(clear, 2, torch.device("cpu"))[0, :, 0, 0].tolist()
        [1.0, 1.0, 1.0, 0.0]
    """
    if square.ndim != 3 or square.shape[2] != 4:
        return to_model_input(square, size, device)
    opaque = to_model_input(on_matte(square, matte), size, device)
    alpha = to_model_input(np.repeat(square[..., 3:], 3, axis=2), size, device)
    return torch.cat((opaque, alpha[:, :1]), dim=1)


def to_frames(
    images: Tensor,  # (B, 3, H, W) in [0, 1], or (B, 4, H, W) with alpha
) -> list[Frame]:
    """Convert images to (H, W, 3 or 4) uint8 frames, rounding to the nearest level.

    Args:
        images: values outside [0, 1] are clamped.

    Returns:
        One frame per image.

    Example:
        >>> [frame] = to_frames(torch.full((1, 3, 2, 2), 0.5))
        >>> frame[0, 0].tolist()
        [128, 128, 128]
    """
    if images.device.type == "cuda":
        return cuda_frames.download(images)
    # One at a time: a batch of large images takes much more memory in float32 than in uint8.
    return [_to_frame(image) for image in images]


def resize(
    images: Tensor,  # (B, 3, H, W) in [0, 1]
    size: int,
) -> Tensor:  # (B, 3, size, size) in [0, 1]
    """Resize images by antialiased bicubic interpolation."""
    if images.shape[2:] == (size, size):
        return images
    # Some bicubic weights are negative, so results can leave the range.
    return F.interpolate(images, (size, size), mode="bicubic", antialias=True).clamp(0, 1)


def _to_frame(
    image: Tensor,  # (C, H, W)
) -> Frame:
    rounded = (image.clamp(0, 1) * 255).round().to(torch.uint8)
    frame: Frame = rounded.permute(1, 2, 0).contiguous().cpu().numpy()
    return frame


def batches(frames: Iterable[Frame], size: int) -> Iterator[list[Frame]]:
    """Split frames into lists of `size`; the last may be shorter. Reads one batch at a time."""
    remaining = iter(frames)
    while batch := list(islice(remaining, size)):
        yield batch
