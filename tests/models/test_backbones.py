from collections.abc import Callable

import pytest
import torch
from torch import nn

from cpabmm_core.errors import ConfigError
from cpabmm_core.models.backbones import build_pooled_backbone, build_pyramid_backbone


@pytest.mark.parametrize("name", ["resnet18", "test_efficientnet", "mobilenetv3_small_050"])
def test_pooled_features_have_the_stated_length(name: str) -> None:
    backbone, features = build_pooled_backbone(name, in_channels=6)
    assert backbone.eval()(torch.rand(2, 6, 32, 32)).shape == (2, features)


@pytest.mark.parametrize("name", ["resnet18", "test_efficientnet", "convnext_atto"])
def test_pyramid_has_strides_4_to_32(name: str) -> None:
    backbone, channels = build_pyramid_backbone(name, in_channels=3)
    levels = backbone.eval()(torch.rand(1, 3, 64, 64))
    assert [level.shape[1] for level in levels] == channels
    assert [level.shape[2] for level in levels] == [16, 8, 4, 2]


@pytest.mark.parametrize("make", [build_pooled_backbone, build_pyramid_backbone])
@pytest.mark.parametrize(
    ("name", "trouble"),
    [("resnet180", "not a model of timm .* resnet18"), ("vit_tiny_patch16_224", "only one size")],
)
def test_unusable_backbone_is_a_one_line_error(
    make: Callable[[str, int], tuple[nn.Module, object]], name: str, trouble: str
) -> None:
    with pytest.raises(ConfigError, match=f"^backbone {name}: .*{trouble}[^\n]*$"):
        make(name, 3)
