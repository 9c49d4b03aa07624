"""Random augmentation of training pairs, identical for both frames of a pair."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from cpabmm_core.config import AugmentConfig


class Flips(NamedTuple):
    """Whether each pair of a number of pairs is flipped, and how."""

    in_time: NDArray[np.bool_]  # (count,)
    """Whether the later frame is the source."""
    mirrored: NDArray[np.bool_]  # (count,)
    """Whether both frames are mirrored left to right; False for pairs flipped in time."""


def sample_flips(config: AugmentConfig, count: int, rng: np.random.Generator) -> Flips:
    """Sample flips as FOMM does: half of the pairs in time, half of the others in space."""
    in_time = (rng.random(count) < 0.5) & config.time_flip
    mirrored = (rng.random(count) < 0.5) & config.horizontal_flip & ~in_time
    return Flips(in_time, mirrored)


def augment_pair(
    pair: Tensor,  # (2, 3, H, W) in [0, 1]: source, driving; sorted in time
    config: AugmentConfig,
    rng: np.random.Generator,
) -> Tensor:  # (2, 3, H, W) in [0, 1]
    """Flip, rescale, crop and colour-jitter a pair, as far as the configuration allows.

    Args:
        pair: source and driving frame, in temporal order.
        config: strength of each augmentation.
        rng: random numbers.

    Returns:
        The augmented pair.

    Example:
        >>> import numpy as np
        >>> import torch
        >>> from cpabmm_core.data import augment_pair
        >>> from cpabmm_core.config import AugmentConfig
        >>> pair = torch.rand(2, 3, 32, 32)
        >>> augment_pair(pair, AugmentConfig(), np.random.default_rng(0)).shape
        torch.Size([2, 3, 32, 32])
    """
    flips = sample_flips(config, 1, rng)
    if flips.in_time:
        pair = pair.flip(0)
    if flips.mirrored:
        pair = pair.flip(3)
    if config.resize is not None:
        pair = _rescale(pair, rng.uniform(*config.resize), rng)
    return _jitter(pair, config, rng)


def _rescale(pair: Tensor, scale: float, rng: np.random.Generator) -> Tensor:
    """Scale and crop at a random position; replicate the border where the result is too small."""
    height, width = pair.shape[2:]
    size = [max(1, round(height * scale)), max(1, round(width * scale))]
    resized = F.resize(pair, size, InterpolationMode.BILINEAR, antialias=True).clamp(0, 1)
    short = [max(0, height - size[0]), max(0, width - size[1])]
    top, left = (int(rng.integers(0, n + 1)) for n in short)
    padding = (left, short[1] - left, top, short[0] - top)
    padded = torch.nn.functional.pad(resized, padding, mode="replicate")
    y, x = (
        int(rng.integers(0, n - m + 1))
        for n, m in zip(padded.shape[2:], pair.shape[2:], strict=True)
    )
    return padded[:, :, y : y + height, x : x + width]


def _jitter(pair: Tensor, config: AugmentConfig, rng: np.random.Generator) -> Tensor:
    brightness, contrast, saturation = (
        float(rng.uniform(max(0.0, 1 - strength), 1 + strength))
        for strength in (config.brightness, config.contrast, config.saturation)
    )
    hue = float(rng.uniform(-config.hue, config.hue))
    pair = F.adjust_brightness(pair, brightness)
    pair = F.adjust_contrast(pair, contrast)
    pair = F.adjust_saturation(pair, saturation)
    return F.adjust_hue(pair, hue) if config.hue else pair
