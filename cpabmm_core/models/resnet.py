"""Residual networks (ResNet) as backbones, without the libraries that define them.

Importing timm or torchvision takes longer than rendering a second of video, so the backbones of the
shipped configurations are built here. Names of parameters, results and initial distributions are
those of ``torchvision.models.resnet18`` and of the models of timm with the same names.

Sources: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, table 1; He et al.,
"Bag of Tricks for Image Classification with Convolutional Neural Networks", CVPR 2019, section 4.1
(variants C and D: stems of three 3 x 3 convolutions, average pooling in the shortcuts).
"""

from typing import Literal, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

_WIDTHS = (64, 128, 256, 512)
_EXPANSION = 4
_STEM_WIDTH = 32


class Design(NamedTuple):
    """What distinguishes one residual network from another.

    Attributes:
        depths: number of blocks of each stage.
        bottleneck: whether a block has a 3 x 3 convolution between two of 1 x 1, and four times as
            many output channels; otherwise it has two of 3 x 3.
        stem: one convolution of 7 x 7, or three of 3 x 3, of which the first is narrower if tiered.
    """

    depths: tuple[int, int, int, int]
    bottleneck: bool = False
    stem: Literal["single", "deep", "tiered"] = "single"


DESIGNS = {
    "resnet10t": Design((1, 1, 1, 1), stem="tiered"),
    "resnet14t": Design((1, 1, 1, 1), bottleneck=True, stem="tiered"),
    "resnet18": Design((2, 2, 2, 2)),
    "resnet18d": Design((2, 2, 2, 2), stem="deep"),
    "resnet26": Design((2, 2, 2, 2), bottleneck=True),
    "resnet26d": Design((2, 2, 2, 2), bottleneck=True, stem="deep"),
    "resnet26t": Design((2, 2, 2, 2), bottleneck=True, stem="tiered"),
    "resnet34": Design((3, 4, 6, 3)),
    "resnet34d": Design((3, 4, 6, 3), stem="deep"),
    "resnet50": Design((3, 4, 6, 3), bottleneck=True),
    "resnet50d": Design((3, 4, 6, 3), bottleneck=True, stem="deep"),
    "resnet50t": Design((3, 4, 6, 3), bottleneck=True, stem="tiered"),
}
"""The networks by the names that timm gives them."""


class ResNet(nn.Module):
    """The stages of a residual network, without pooling and classifier.

    Args:
        design: the network.
        in_channels: channels of the images.
        residuals_start_at_zero: whether each block starts as its shortcut, as in timm; otherwise as
            in torchvision.
    """

    def __init__(
        self, design: Design, in_channels: int, *, residuals_start_at_zero: bool = True
    ) -> None:
        super().__init__()
        self.conv1 = _stem(design.stem, in_channels)
        self.bn1 = nn.BatchNorm2d(_WIDTHS[0])
        self.act1 = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.widths = [_EXPANSION * width if design.bottleneck else width for width in _WIDTHS]
        channels = _WIDTHS[0]
        for number, depth in enumerate(design.depths):
            blocks = []
            for stride in (1 if number == 0 else 2, *[1] * (depth - 1)):
                blocks.append(_block(design, channels, _WIDTHS[number], stride))
                channels = self.widths[number]
            self.add_module(f"layer{number + 1}", nn.Sequential(*blocks))
        self._initialise(residuals_start_at_zero)

    def levels(
        self,
        images: Tensor,  # (B, C, H, W)
    ) -> list[Tensor]:  # four of (B, widths[i], h_i, w_i)
        """Compute the output of each stage, fine to coarse; their strides are 4, 8, 16 and 32."""
        level = self.maxpool(self.act1(self.bn1(self.conv1(images))))
        found = []
        for number in range(len(_WIDTHS)):
            level = self.get_submodule(f"layer{number + 1}")(level)
            found.append(level)
        return found

    def _initialise(self, residuals_start_at_zero: bool) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if residuals_start_at_zero:
            for module in self.modules():
                if isinstance(module, _Block):
                    nn.init.zeros_(module.last_norm.get_parameter("weight"))


class PooledResNet(ResNet):
    """A residual network that computes one feature vector per image.

    Example:
        >>> import torch
        >>> network = PooledResNet(DESIGNS["resnet10t"], in_channels=6).eval()
        >>> network(torch.rand(1, 6, 64, 64)).shape
        torch.Size([1, 512])
    """

    def forward(
        self,
        images: Tensor,  # (B, C, H, W)
    ) -> Tensor:  # (B, widths[-1])
        """Compute the mean of the coarsest level."""
        return F.adaptive_avg_pool2d(self.levels(images)[-1], 1).flatten(1)


class PyramidResNet(ResNet):
    """A residual network that computes four feature maps per image."""

    def forward(
        self,
        images: Tensor,  # (B, C, H, W)
    ) -> list[Tensor]:  # four of (B, widths[i], h_i, w_i)
        """Compute the maps, fine to coarse."""
        return self.levels(images)


class _Block(nn.Module):
    """A residual block: what its convolutions compute is added to their input, or shortcut."""

    def __init__(
        self, in_channels: int, width: int, stride: int, *, bottleneck: bool, pools: bool
    ) -> None:
        super().__init__()
        out_channels = _EXPANSION * width if bottleneck else width
        shortcut = None
        if stride > 1 or in_channels != out_channels:
            shortcut = _shortcut(in_channels, out_channels, stride, pools=pools)
        if bottleneck:
            self._add(1, nn.Conv2d(in_channels, width, 1, bias=False))
            self._add(2, nn.Conv2d(width, width, 3, stride, padding=1, bias=False))
            self._add(3, nn.Conv2d(width, out_channels, 1, bias=False))
        else:
            self._add(1, nn.Conv2d(in_channels, width, 3, stride, padding=1, bias=False))
            self._add(2, nn.Conv2d(width, width, 3, padding=1, bias=False))
        self.count = 3 if bottleneck else 2
        self.downsample = shortcut  # the last, as in timm: saved optimisers number the parameters

    def _add(self, number: int, conv: nn.Conv2d) -> None:
        self.add_module(f"conv{number}", conv)
        self.add_module(f"bn{number}", nn.BatchNorm2d(conv.out_channels))

    @property
    def last_norm(self) -> nn.Module:
        """The layer before the addition."""
        return self.get_submodule(f"bn{self.count}")

    def forward(
        self,
        features: Tensor,  # (B, in_channels, H, W)
    ) -> Tensor:  # (B, out_channels, H / stride, W / stride)
        """Compute the block."""
        shortcut = features if self.downsample is None else self.downsample(features)
        for number in range(1, self.count + 1):
            features = self.get_submodule(f"conv{number}")(features)
            features = self.get_submodule(f"bn{number}")(features)
            if number == self.count:
                features = features + shortcut
            features = F.relu(features, inplace=True)
        return features


def _block(design: Design, in_channels: int, width: int, stride: int) -> _Block:
    pools = design.stem != "single"  # variant D; all networks with its stem use its shortcuts, too
    return _Block(in_channels, width, stride, bottleneck=design.bottleneck, pools=pools)


def _shortcut(in_channels: int, out_channels: int, stride: int, *, pools: bool) -> nn.Module:
    """Return what adapts the shortcut to the output: its stride by pooling, or by sampling."""
    if not pools:
        return nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
            nn.BatchNorm2d(out_channels),
        )
    pool = nn.AvgPool2d(2, stride, ceil_mode=True, count_include_pad=False)
    return nn.Sequential(
        pool if stride > 1 else nn.Identity(),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
    )


def _stem(kind: Literal["single", "deep", "tiered"], in_channels: int) -> nn.Module:
    """Return the first convolutions, which halve the image."""
    if kind == "single":
        return nn.Conv2d(in_channels, _WIDTHS[0], 7, stride=2, padding=3, bias=False)
    first = _STEM_WIDTH * 3 // 4 if kind == "tiered" else _STEM_WIDTH
    return nn.Sequential(
        nn.Conv2d(in_channels, first, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(first),
        nn.ReLU(inplace=True),
        nn.Conv2d(first, _STEM_WIDTH, 3, padding=1, bias=False),
        nn.BatchNorm2d(_STEM_WIDTH),
        nn.ReLU(inplace=True),
        nn.Conv2d(_STEM_WIDTH, _WIDTHS[0], 3, padding=1, bias=False),
    )
