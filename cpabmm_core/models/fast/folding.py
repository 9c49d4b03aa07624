"""Convolutions with the batch normalisation that follows them folded into their weights."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from cpabmm_core.models.fast.convolution import FastConv2d
from cpabmm_core.models.fast.versions import Version, version_of
from cpabmm_core.models.fast.views import adopt

_RESIDUAL = {
    "cpabmm_core.models.resnet": {"_Block", "PooledResNet", "PyramidResNet"},
    "timm.models.resnet": {"BasicBlock", "Bottleneck", "ResNet"},
    "torchvision.models.resnet": {"BasicBlock", "Bottleneck", "ResNet"},
}
"""Classes in which the normalisation ``bn1`` follows the convolution ``conv1``, and so on."""


class _Folded(NamedTuple):
    """A folded convolution, and what it was made from."""

    origin: list[Version]
    conv: FastConv2d


class FoldedConv2d(nn.Module):
    """A convolution followed by batch normalisation in eval mode, as one convolution."""

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d, *, upsampled: bool = False) -> None:
        """Fold `norm` into `conv`.

        Args:
            conv: the convolution; neither module is changed, and later changes of both are seen.
            norm: the normalisation, with running statistics.
            upsampled: upsample the input by 2 (nearest neighbour) first.
        """
        super().__init__()
        self.conv, self.norm = conv, norm
        self.training = False
        self._upsampled = upsampled
        self._folded: _Folded | None = None

    def forward(
        self,
        x: Tensor,  # (B, C, H, W)
    ) -> Tensor:  # (B, D, H', W')
        """Apply both."""
        origin = [version_of(tensor) for tensor in self._tensors()]
        folded = self._folded
        if folded is None or folded.origin != origin:
            folded = self._folded = _Folded(origin, self._fold())
        result: Tensor = folded.conv(x)
        return result

    def _tensors(self) -> Iterator[Tensor]:
        norm = self.norm
        for tensor in (
            self.conv.weight,
            self.conv.bias,
            norm.running_mean,
            norm.running_var,
            norm.weight,
            norm.bias,
        ):
            if tensor is not None:
                yield tensor

    def _fold(self) -> FastConv2d:
        norm = self.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        weight, bias = fuse_conv_bn_weights(
            self.conv.weight,
            self.conv.bias,
            norm.running_mean,
            norm.running_var,
            norm.eps,
            norm.weight,
            norm.bias,
        )
        own = nn.Conv2d.__new__(nn.Conv2d)
        adopt(own, self.conv, lambda child: child)
        own.__dict__["_parameters"] = {"weight": weight, "bias": bias}
        return FastConv2d(own, upsampled=self._upsampled)


def fold(conv: object, norm: object, *, upsampled: bool = False) -> FoldedConv2d | None:
    """Return both as one convolution, or None if they are not a convolution and batch norm."""
    if type(conv) is not nn.Conv2d or type(norm) is not nn.BatchNorm2d:
        return None
    if not norm.track_running_stats or norm.running_mean is None:
        return None
    return FoldedConv2d(conv, norm, upsampled=upsampled)


def fold_children(view: nn.Module, plain: nn.Module) -> None:
    """Fold the normalisations of a sequence or a residual network into its convolutions."""
    for first, second in _pairs(plain):
        folded = fold(plain._modules.get(first), plain._modules.get(second))
        if folded is not None:
            view._modules.update({first: folded, second: nn.Identity()})


def _pairs(plain: nn.Module) -> list[tuple[str, str]]:
    """Return the names of the children of which the first feeds the second, and nothing else."""
    kind = type(plain)
    if kind is nn.Sequential:
        return [*pairwise(plain._modules)]
    if kind.__name__ in _RESIDUAL.get(kind.__module__, ()):
        return [(name, name.replace("conv", "bn")) for name in plain._modules if "conv" in name]
    return []
