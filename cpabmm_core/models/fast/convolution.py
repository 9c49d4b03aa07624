"""Views of convolutions that compute by the fastest algorithm."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from cpabmm_core.convolution.convolution import Convolution
from cpabmm_core.models.fast.few_channels import by_rows, has_few_channels
from cpabmm_core.models.fast.views import adopt, eval_view


class FastConv2d(nn.Conv2d):
    """View of a convolution, for inference."""

    def __init__(self, plain: nn.Conv2d, *, upsampled: bool = False) -> None:
        """Show `plain`.

        Args:
            plain: the convolution.
            upsampled: upsample the input by 2 (nearest neighbour) first.
        """
        adopt(self, plain, lambda child: child)
        self._upsampled = upsampled
        self._fastest = Convolution(_without_hooks(plain), upsampled=upsampled)
        self._by_rows = has_few_channels(plain) and not upsampled

    def forward(
        self,
        x: Tensor,  # (B, C, H, W)
    ) -> Tensor:  # (B, D, H', W')
        """Apply the convolution; on a CPU the result is in channels-last order."""
        if x.device.type == "cpu" and x.is_contiguous():
            x = x.contiguous(memory_format=torch.channels_last)
        if self._by_rows and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu"):
            assert not isinstance(self.padding, str)
            return by_rows(x, self.weight, self.bias, self.padding)
        return self._fastest(x)


def _without_hooks(plain: nn.Conv2d) -> nn.Conv2d:
    """Return a view that calls no hooks, because the view that the caller holds does."""
    bare = eval_view(plain, lambda child: child)
    assert isinstance(bare, nn.Conv2d)
    bare.__dict__.update(_forward_hooks=OrderedDict(), _forward_pre_hooks=OrderedDict())
    return bare
