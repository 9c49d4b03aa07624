"""Feature extractors of the keypoint detector and the background predictor."""

from itertools import pairwise
from typing import Any

import timm
import torchvision
from torch import Tensor, nn

from cpabmm_core.errors import ConfigError
from cpabmm_core.models.blocks import DownBlock, level_widths


def pooled_backbone(name: str, in_channels: int) -> tuple[nn.Module, int]:
    """Network with random weights from images to one feature vector each, and its length.

    Args:
        name: ``resnet18`` (torchvision's, as in the paper) or a convolutional model of timm.
        in_channels: channels of the images.

    Raises:
        ConfigError: there is no such model, or it takes frames of one size only.
    """
    if name == "resnet18":
        resnet = torchvision.models.resnet18(weights=None)
        features: int = resnet.fc.in_features
        resnet.fc = nn.Identity()
        if in_channels != resnet.conv1.in_channels:
            resnet.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        return resnet, features
    _check(name)
    model: Any = timm.create_model(name, pretrained=False, in_chans=in_channels, num_classes=0)
    features = getattr(model, "head_hidden_size", None) or model.num_features
    return model, int(features)


class PooledEncoder(nn.Module):
    """The encoder of an hourglass with batch norm, and the mean over its coarsest level."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.down_blocks = nn.ModuleList(DownBlock(a, b, norm="batch") for a, b in pairwise(widths))

    def forward(
        self,
        images: Tensor,  # (B, C, H, W)
    ) -> Tensor:  # (B, features)
        """Pool the features of the images."""
        for down in self.down_blocks:
            images = down(images)
        return images.mean(dim=(2, 3))


def encoder_backbone(
    in_channels: int, block_expansion: int, max_features: int, blocks: int
) -> tuple[nn.Module, int]:
    """MRAA's network from images to one feature vector each, and its length."""
    widths = [in_channels, *level_widths(block_expansion, max_features, blocks)[1:]]
    return PooledEncoder(widths), widths[-1]


def pyramid_backbone(name: str, in_channels: int) -> tuple[nn.Module, list[int]]:
    """Network with random weights from images to its four coarsest feature maps.

    Args:
        name: a convolutional model of timm, whose maps then have strides 4, 8, 16 and 32.
        in_channels: channels of the images.

    Returns:
        The network, which returns its maps fine to coarse, and the channels of each.

    Raises:
        ConfigError: there is no such model, or it does not give feature maps.
    """
    _check(name)
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
            f"backbone {name}: gives no feature maps for a heatmap head ({error}); "
            "take head regression or another backbone, for example resnet18"
        ) from None
    channels: list[int] = model.feature_info.channels()
    return model, channels


def _check(name: str) -> None:
    if not timm.is_model(name):
        close = timm.list_models(f"{name[:8]}*")[:3]
        examples = ", ".join(close or ["resnet18", "mobilenetv3_small_050"])
        raise ConfigError(
            f"backbone {name}: not a model of timm {timm.__version__}; "
            f"take one of timm.list_models(), for example {examples}"
        )
    settings = timm.get_pretrained_cfg(name)
    if settings is not None and settings.fixed_input_size:
        raise ConfigError(
            f"backbone {name}: takes frames of one size only; "
            "take a convolutional model, for example resnet18 or mobilenetv3_small_050"
        )
