"""Residual networks against those of timm and torchvision, whose names and weights users know."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from cpabmm_core.models.backbones import build_pooled_backbone, build_pyramid_backbone
from cpabmm_core.models.resnet import DESIGNS

Make = Callable[[], nn.Module]


def papers_network(in_channels: int) -> nn.Module:
    """Build torchvision's network as TPSMM and the paper's code change it."""
    network: nn.Module = torchvision.models.resnet18(weights=None)
    network.fc = nn.Identity()
    if in_channels != 3:
        network.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
    return network


def pooled_of_timm(name: str) -> nn.Module:
    return timm.create_model(name, in_chans=6, num_classes=0)


def pyramid_of_timm(name: str) -> nn.Module:
    return timm.create_model(
        name, in_chans=6, num_classes=0, features_only=True, out_indices=(-4, -3, -2, -1)
    )


def pooled(name: str, in_channels: int = 6) -> nn.Module:
    return build_pooled_backbone(name, in_channels)[0]


def pyramid(name: str) -> nn.Module:
    return build_pyramid_backbone(name, 6)[0]


def twins(names: Iterable[str]) -> list[Any]:
    """Return makers of our network and of its peer, pooled and as a pyramid."""
    return [
        *(
            pytest.param(partial(pooled, name), partial(pooled_of_timm, name), id=f"pooled-{name}")
            for name in names
            if name != "resnet18"  # that one is torchvision's
        ),
        *(
            pytest.param(partial(pyramid, name), partial(pyramid_of_timm, name), id=name)
            for name in names
        ),
    ]


TORCHVISION = [
    pytest.param(partial(pooled, "resnet18", c), partial(papers_network, c), id=f"torchvision-{c}")
    for c in (3, 6)
]
SMALL = [name for name in DESIGNS if sum(DESIGNS[name].depths) <= 8]  # all variants, few blocks


@pytest.mark.parametrize(("ours", "theirs"), twins(DESIGNS) + TORCHVISION)
def test_parameters_have_the_same_names_and_shapes_in_the_same_order(
    ours: Make, theirs: Make
) -> None:
    with torch.device("meta"):
        mine, peer = ours(), theirs()
    for kind in ("named_parameters", "named_buffers"):
        expected = [(name, t.shape, t.dtype) for name, t in getattr(peer, kind)()]
        assert [(name, t.shape, t.dtype) for name, t in getattr(mine, kind)()] == expected


@pytest.mark.parametrize(("ours", "theirs"), twins(SMALL) + TORCHVISION)
@pytest.mark.parametrize("training", [False, True])
def test_results_gradients_and_statistics_are_the_same(
    ours: Make, theirs: Make, training: bool
) -> None:
    torch.manual_seed(1)
    peer = randomised(theirs()).double().train(training)
    mine = ours().double().train(training)
    mine.load_state_dict(peer.state_dict())
    images = torch.rand(2, next(peer.parameters()).shape[1], 39, 70).double()
    found, expected = outputs(mine, images), outputs(peer, images)
    assert len(found) == len(expected)
    for level, other in zip(found, expected, strict=True):
        torch.testing.assert_close(level, other, rtol=1e-9, atol=1e-9)
    for levels in (found, expected):
        sum(level.square().mean() for level in levels).backward()  # type: ignore[union-attr]
    for parameter, other in zip(mine.parameters(), peer.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, other.grad, rtol=1e-6, atol=1e-9)
    for buffer, other in zip(mine.buffers(), peer.buffers(), strict=True):
        torch.testing.assert_close(buffer, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("ours", "theirs"), twins(["resnet10t", "resnet14t", "resnet18"]))
def test_a_seed_gives_the_weights_that_it_gives_in_timm(ours: Make, theirs: Make) -> None:
    torch.manual_seed(3)
    mine = ours().state_dict()
    torch.manual_seed(3)
    for name, expected in theirs().state_dict().items():
        assert torch.equal(mine[name], expected), name


@pytest.mark.parametrize("in_channels", [3, 6])
def test_initial_weights_are_distributed_as_in_torchvision(in_channels: int) -> None:
    mine = pooled("resnet18", in_channels).state_dict()
    for name, expected in papers_network(in_channels).state_dict().items():
        if expected.dim() == 4:
            assert float(mine[name].std()) == pytest.approx(float(expected.std()), rel=0.05), name
            assert float(mine[name].max()) == pytest.approx(float(expected.max()), rel=0.4), name
        else:
            assert torch.equal(mine[name], expected), name


def outputs(network: nn.Module, images: Tensor) -> list[Tensor]:
    found = network(images)
    return found if isinstance(found, list) else [found]


def randomised(network: nn.Module) -> nn.Module:
    """Give the norms weights and statistics of trained networks; initial ones hide mistakes."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            module.running_mean = torch.randn(module.num_features) * 0.1
            module.running_var = torch.rand(module.num_features) + 0.5
    return network
