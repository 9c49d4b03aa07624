"""What a convolution can do to its input and its result on the way, without another pass."""

from typing import NamedTuple

import torch
from torch import Tensor


class Moments(NamedTuple):
    """Mean and variance over the pixels of each map; the variance divides by their number."""

    mean: Tensor  # (B, C)
    variance: Tensor  # (B, C)

    @classmethod
    def of(
        cls,
        maps: Tensor,  # (B, C, H, W)
    ) -> "Moments":
        """Measure the moments of maps."""
        variance, mean = torch.var_mean(maps, dim=(2, 3), correction=0)
        return cls(mean, variance)


class Fusion(NamedTuple):
    """Work that is fused with a convolution."""

    scale: Tensor | None = None  # (B, C)
    """If given, the convolution sees relu(scale x + shift) in place of x."""
    shift: Tensor | None = None  # (B, C)
    residual: Tensor | None = None  # (B, D, H', W')
    """Added to the result."""
    moments: bool = False
    """Whether to measure the moments of the result, after the addition."""

    def before(
        self,
        x: Tensor,  # (B, C, H, W)
    ) -> Tensor:  # (B, C, H, W)
        """Return what the convolution sees, by PyTorch's operators."""
        if self.scale is None or self.shift is None:
            return x
        return torch.relu(x * self.scale[:, :, None, None] + self.shift[:, :, None, None])

    def after(
        self,
        result: Tensor,  # (B, D, H', W')
    ) -> tuple[Tensor, Moments | None]:  # (B, D, H', W')
        """Return the result and its moments, by PyTorch's operators."""
        if self.residual is not None:
            result = result + self.residual
        return result, Moments.of(result) if self.moments else None
