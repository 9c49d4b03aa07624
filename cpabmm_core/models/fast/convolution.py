"""Views of convolutions that compute by the fastest algorithm."""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpabmm_core.convolution.convolution import Convolution
from cpabmm_core.models.fast.few_channels import by_rows, has_few_channels
from cpabmm_core.models.fast.packed import PackedConvolution, can_be_packed, suits_packing
from cpabmm_core.models.fast.views import adopt, eval_view

_FEWEST_POSITIONS = 150
"""Maps with fewer have too few tiles of 4 x 4 for the time that their filters take to load."""


class FastConv2d(nn.Conv2d):
    """View of a convolution, for inference; on a CPU its results are in channels-last order."""

    def __init__(self, plain: nn.Conv2d, *, upsampled: bool = False) -> None:
        """Show `plain`.

        Args:
            plain: the convolution.
            upsampled: upsample the input by 2 (nearest neighbour) first.
        """
        adopt(self, plain, lambda child: child)
        bare = _without_hooks(plain)
        self._upsampled = upsampled
        self._by_rows = has_few_channels(plain)
        self._is_3_by_3 = plain.kernel_size == (3, 3) and plain.stride == (1, 1)
        self._tiled = Convolution(bare, upsampled=upsampled)
        self._packed = PackedConvolution(bare) if can_be_packed(plain) else None

    def forward(
        self,
        x: Tensor,  # (B, C, H, W)
    ) -> Tensor:  # (B, D, H', W')
        """Apply the convolution."""
        if x.device.type != "cpu":
            return self._tiled(x)
        if x.is_contiguous():
            x = x.contiguous(memory_format=torch.channels_last)
        if torch.is_autocast_enabled("cpu"):
            return self._in_half_precision(x, torch.get_autocast_dtype("cpu"))
        if self._by_rows and not self._upsampled:
            assert not isinstance(self.padding, str)
            return by_rows(x, self.weight, self.bias, self.padding)
        is_small = x.shape[2] * x.shape[3] < _FEWEST_POSITIONS
        if self._packed is None or self._upsampled or (self._is_3_by_3 and not is_small):
            return self._tiled(x)
        return self._packed(x) if suits_packing(x, self) else self._tiled(x)

    def _in_half_precision(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        x = x.to(dtype)
        if self._packed is None or not suits_packing(x, self):
            return self._tiled(x)
        if self._upsampled:
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        return self._packed(x)


def _without_hooks(plain: nn.Conv2d) -> nn.Conv2d:
    """Return a view that calls no hooks, because the view that the caller holds does."""
    bare = eval_view(plain, lambda child: child)
    assert isinstance(bare, nn.Conv2d)
    bare.__dict__.update(_forward_hooks=OrderedDict(), _forward_pre_hooks=OrderedDict())
    return bare
