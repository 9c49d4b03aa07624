from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from _helpers.frozen_nets import vgg19_layers
from torch import Tensor, nn

from cpabmm_core.errors import CheckpointError
from cpabmm_core.models.frozen.vgg import Vgg19Features, load_vgg19

RELUS = (1, 6, 11, 20, 29)
"""Indices of relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1 in torchvision's VGG-19."""


@pytest.fixture(scope="module")
def layers() -> nn.Sequential:
    return vgg19_layers()


def published(layers: nn.Sequential) -> dict[str, Tensor]:
    """Name the tensors as in torchvision's file."""
    tensors = {f"features.{name}": value for name, value in layers.state_dict().items()}
    return {**tensors, "classifier.6.bias": torch.zeros(1000)}


def test_features_are_taken_after_the_relus(layers: nn.Sequential, tmp_path: Path) -> None:
    torch.save(published(layers), tmp_path / "vgg.pth")
    features = load_vgg19(tmp_path / "vgg.pth")
    image = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    caught: dict[int, Tensor] = {}

    def keep(place: int) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
            caught[place] = output.clone()

        return hook

    handles = [layers[place].register_forward_hook(keep(place)) for place in RELUS]
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    with torch.no_grad():
        layers((image - mean) / std)
    for handle in handles:
        handle.remove()
    maps = features(image)
    assert [level.shape[1] for level in maps] == [64, 128, 256, 512, 512]
    for level, place in zip(maps, RELUS, strict=True):
        assert level.abs().max() > 0
        torch.testing.assert_close(level, caught[place])


def test_the_network_stays_frozen(layers: nn.Sequential) -> None:
    features = Vgg19Features(layers).train()
    assert not features.training
    image = torch.rand(1, 3, 16, 16, requires_grad=True)
    features(image)[-1].sum().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert all(p.grad is None and not p.requires_grad for p in features.parameters())


def test_a_file_of_another_network_is_named(layers: nn.Sequential, tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    tensors = published(layers)
    tensors["features.0.weight"] = torch.zeros(64, 1, 3, 3)
    del tensors["features.28.bias"]
    torch.save(tensors, path)
    with pytest.raises(
        CheckpointError,
        match=r"other\.pth: not torchvision's VGG-19 weights "
        r"\(no 28\.bias, 0\.weight is \[64, 1, 3, 3\], not \[64, 3, 3, 3\]\)",
    ):
        load_vgg19(path)
