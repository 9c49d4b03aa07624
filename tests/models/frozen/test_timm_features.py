from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models.efficientnet import EfficientNet
from torch import Tensor

from cpabmm_core.errors import CheckpointError, ConfigError
from cpabmm_core.models.frozen.timm_features import (
    TimmFeatures,
    load_timm_features,
    timm_file,
)

NAME = "tf_efficientnet_lite0"


@pytest.fixture(scope="module")
def network() -> EfficientNet:
    """Build the network with random weights and running statistics."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network: EfficientNet = timm.create_model(NAME, pretrained=False)  # type: ignore[assignment]
        for name, buffer in network.named_buffers():
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
    return network.eval()


@pytest.fixture(scope="module")
def file(network: EfficientNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_file(network.state_dict(), path)
    return path


def image(seed: int, side: int = 64) -> Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(seed))


def test_maps_agree_with_the_stages(network: EfficientNet, file: Path) -> None:
    """Compare with the network's layers, applied one by one; lite0 was trained on [-1, 1]."""
    features = load_timm_features(NAME, file)
    x, expected = network.bn1(network.conv_stem(image(1) * 2 - 1)), []
    for number, stage in enumerate(network.blocks):
        x = stage(x)
        if number in (0, 1, 2, 4, 6):
            expected.append(x)
    maps = features(image(1))
    assert [tuple(level.shape[1:]) for level in maps] == [
        (16, 32, 32),
        (24, 16, 16),
        (40, 8, 8),
        (112, 4, 4),
        (320, 2, 2),
    ]
    for level, truth in zip(maps, expected, strict=True):
        torch.testing.assert_close(level, truth)
    assert features.smallest_side == 32


def test_the_network_stays_frozen(network: EfficientNet) -> None:
    features = TimmFeatures(network, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).train()
    assert not any(module.training for module in features.modules())
    frame = image(2).requires_grad_()
    features(frame)[-1].sum().backward()
    assert frame.grad is not None
    assert frame.grad.abs().sum() > 0
    assert all(p.grad is None and not p.requires_grad for p in features.parameters())


def test_renamed_tensors_are_matched_by_order(
    network: EfficientNet, file: Path, tmp_path: Path
) -> None:
    renamed = {f"_{n}": value for n, value in enumerate(network.state_dict().values())}
    torch.save(renamed, tmp_path / "other.pth")
    levels, expected = (
        load_timm_features(NAME, f)(image(3)) for f in (tmp_path / "other.pth", file)
    )
    for level, truth in zip(levels, expected, strict=True):
        assert torch.equal(level, truth)
    renamed["_0"] = torch.zeros(32, 1, 3, 3)
    torch.save(renamed, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"other\.pth: not timm's tf_efficientnet_lite0"):
        load_timm_features(NAME, tmp_path / "other.pth")


def test_loading_consumes_no_random_numbers(file: Path) -> None:
    before = torch.get_rng_state()
    load_timm_features(NAME, file)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_published_file_is_described() -> None:
    file = timm_file(NAME)
    assert (file.source, file.name, file.is_on_hub) == (
        f"timm/{NAME}.in1k",
        "model.safetensors",
        True,
    )
    assert file.megabytes == 19
    with pytest.raises(ConfigError, match=r"losses\.perceptual\.network: resnet99 is not"):
        timm_file("resnet99")


def test_networks_for_images_of_one_size_are_errors() -> None:
    with pytest.raises(ConfigError, match=r"vit_tiny_patch16_224 accepts images of only one size"):
        timm_file("vit_tiny_patch16_224")
