"""Feature extractors of the keypoint detector and the background predictor.

Importing timm takes seconds, because it imports torchvision and, through its operators, PyTorch's
compiler. So the common residual networks come from `models.resnet`, and timm is imported only for
others.
"""

from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from cpabmm_core.errors import ConfigError
from cpabmm_core.models.blocks import DownBlock, level_widths
from cpabmm_core.models.resnet import DESIGNS, PooledResNet, PyramidResNet

_PAPERS = "resnet18"


def build_pooled_backbone(name: str, in_channels: int) -> tuple[nn.Module, int]:
    """Build a network that computes one feature vector per image.

    Args:
        name: ``resnet18`` (torchvision's, as in the paper) or a convolutional model of timm.
        in_channels: channels of the images.

    Returns:
        The network, with random weights, and the length of its feature vectors.

    Raises:
        ConfigError: the model is unknown, or accepts frames of only one size.

    Example:
        >>> import torch
        >>> backbone, features = build_pooled_backbone("test_efficientnet", in_channels=6)
        >>> backbone.eval()(torch.rand(1, 6, 64, 64)).shape == (1, features)
        True
    """
    if name in DESIGNS:
        resnet = PooledResNet(DESIGNS[name], in_channels, residuals_start_at_zero=name != _PAPERS)
        if name == _PAPERS and in_channels != 3:
            # As in the paper's code, which replaces torchvision's layer.
            resnet.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        return resnet, resnet.widths[-1]
    _check(name)
    import timm

    model: Any = timm.create_model(name, pretrained=False, in_chans=in_channels, num_classes=0)
    features = getattr(model, "head_hidden_size", None) or model.num_features
    return model, int(features)


class PooledEncoder(nn.Module):
    """Encoder of an hourglass with batch norm; its coarsest level is averaged to one vector."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.down_blocks = nn.ModuleList(DownBlock(a, b, norm="batch") for a, b in pairwise(widths))

    def forward(
        self,
        images: Tensor,  # (B, C, H, W)
    ) -> Tensor:  # (B, features)
        """Compute one feature vector per image."""
        for down in self.down_blocks:
            images = down(images)
        return images.mean(dim=(2, 3))


def build_encoder_backbone(
    in_channels: int, block_expansion: int, max_features: int, blocks: int
) -> tuple[nn.Module, int]:
    """Build MRAA's encoder, which computes one feature vector per image.

    Args:
        in_channels: channels of the images.
        block_expansion: half of the first level's channels; they double from level to level.
        max_features: upper bound of the channels of a level.
        blocks: number of levels.

    Returns:
        The network, with random weights, and the length of its feature vectors.
    """
    widths = [in_channels, *level_widths(block_expansion, max_features, blocks)[1:]]
    return PooledEncoder(widths), widths[-1]


def build_pyramid_backbone(name: str, in_channels: int) -> tuple[nn.Module, list[int]]:
    """Build a network that computes four feature maps, typically of strides 4, 8, 16 and 32.

    Args:
        name: a convolutional model of timm, for example ``resnet10t``.
        in_channels: channels of the images.

    Returns:
        The network, with random weights, and the channels of its maps, both fine to coarse.

    Raises:
        ConfigError: the model is unknown, or does not provide feature maps.
    """
    if name in DESIGNS:
        resnet = PyramidResNet(DESIGNS[name], in_channels)
        return resnet, resnet.widths
    _check(name)
    import timm

    try:
        model: Any = timm.create_model(
            name,
            pretrained=False,
            in_chans=in_channels,
            features_only=True,
            out_indices=(-4, -3, -2, -1),
        )
    except (RuntimeError, AttributeError, AssertionError) as error:
        raise ConfigError(
            f"backbone {name}: provides no feature maps for a heatmap head ({error}); "
            "use head regression, or another backbone, for example resnet18"
        ) from None
    channels: list[int] = model.feature_info.channels()
    return model, channels


def _check(name: str) -> None:
    """Refuse a name that timm does not know, or that stands for a model of another kind."""
    import timm

    if not timm.is_model(name):
        close = timm.list_models(f"{name[:8]}*")[:3]
        examples = ", ".join(close or ["resnet18", "mobilenetv3_small_050"])
        raise ConfigError(
            f"backbone {name}: not a model of timm {timm.__version__}; "
            f"use one of timm.list_models(), for example {examples}"
        )
    settings = timm.get_pretrained_cfg(name)
    if settings is not None and settings.fixed_input_size:
        raise ConfigError(
            f"backbone {name}: accepts frames of only one size; "
            "use a convolutional model, for example resnet18 or mobilenetv3_small_050"
        )
