from dataclasses import replace

import pytest
import torch
from torch import Tensor

from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.geometry.warping import resize_flow, warp
from cpabmm_core.models.dense_motion import Motion
from cpabmm_core.models.inpainting import InpaintingNetwork


@pytest.fixture
def network() -> InpaintingNetwork:
    return InpaintingNetwork(block_expansion=4, max_features=12, down_blocks=2).eval()


@pytest.fixture
def source() -> Tensor:
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def motion(visible: float, seed: int = 0) -> Motion:
    generator = torch.Generator().manual_seed(seed)
    noise = 0.1 * torch.randn(2, 8, 8, 2, generator=generator)
    return Motion(
        deformation=identity_grid(8, 8) + noise,
        contribution_maps=torch.ones(2, 1, 8, 8),
        occlusion_maps=[torch.full((2, 1, side, side), visible) for side in (8, 16, 32)],
        deformed_sources=torch.zeros(2, 1, 3, 8, 8),
    )


def test_visible_regions_are_the_warped_source(network: InpaintingNetwork, source: Tensor) -> None:
    visible = motion(1.0)
    expected = warp(source, resize_flow(visible.deformation, (32, 32)))
    torch.testing.assert_close(network(source, visible), expected)


def test_occluded_regions_do_not_depend_on_the_source(
    network: InpaintingNetwork, source: Tensor
) -> None:
    generated = network(source, motion(0.0))
    torch.testing.assert_close(generated, network(1 - source, motion(0.0, seed=1)))
    assert generated.min() >= 0
    assert generated.max() <= 1


def test_features_can_be_computed_in_advance(network: InpaintingNetwork, source: Tensor) -> None:
    half = motion(0.5)
    features = network.encode(source)
    assert [tuple(f.shape[1:]) for f in features] == [(4, 32, 32), (8, 16, 16), (12, 8, 8)]
    torch.testing.assert_close(network.render(source, features, half), network(source, half))


def test_one_source_serves_many_motions(network: InpaintingNetwork, source: Tensor) -> None:
    half, first = motion(0.5), source[:1]
    expected = network(first.expand(2, -1, -1, -1), half)
    torch.testing.assert_close(network(first, half), expected)


def test_warped_and_masked_features_agree_at_rest(
    network: InpaintingNetwork, source: Tensor
) -> None:
    at_rest = replace(motion(0.5), deformation=identity_grid(8, 8).expand(2, -1, -1, -1))
    features = network.encode(source)
    warped, masked = at_rest.warp_features(features), at_rest.mask_features(features)
    for a, b, f in zip(warped, masked, features, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-4)
        torch.testing.assert_close(b, f * 0.5)


def test_gradient_of_warped_features_reaches_the_flow(
    network: InpaintingNetwork, source: Tensor
) -> None:
    half = motion(0.5)
    half.deformation.requires_grad_()
    constant = [level.detach() for level in network.encode(source)]
    torch.stack([f.square().mean() for f in half.warp_features(constant)]).sum().backward()
    assert half.deformation.grad is not None
    assert half.deformation.grad.abs().sum() > 0
