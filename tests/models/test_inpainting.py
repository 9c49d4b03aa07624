from dataclasses import replace

import pytest
import torch
from torch import Tensor

from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.geometry.warping import resize_flow, warp
from cpabmm_core.models.dense_motion import Motion
from cpabmm_core.models.inpainting import InpaintingNetwork, mask_features, warp_features


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


def test_where_all_is_visible_the_source_is_warped(
    network: InpaintingNetwork, source: Tensor
) -> None:
    visible = motion(1.0)
    expected = warp(source, resize_flow(visible.deformation, (32, 32)))
    torch.testing.assert_close(network(source, visible), expected)


def test_where_nothing_is_visible_the_source_does_not_matter(
    network: InpaintingNetwork, source: Tensor
) -> None:
    drawn = network(source, motion(0.0))
    torch.testing.assert_close(drawn, network(1 - source, motion(0.0, seed=1)))
    assert drawn.min() >= 0
    assert drawn.max() <= 1


def test_features_may_be_computed_before(network: InpaintingNetwork, source: Tensor) -> None:
    half = motion(0.5)
    features = network.encode(source)
    assert [tuple(f.shape[1:]) for f in features] == [(4, 32, 32), (8, 16, 16), (12, 8, 8)]
    torch.testing.assert_close(network.render(source, features, half), network(source, half))


def test_one_source_serves_many_motions(network: InpaintingNetwork, source: Tensor) -> None:
    half, first = motion(0.5), source[:1]
    expected = network(first.expand(2, -1, -1, -1), half)
    torch.testing.assert_close(network(first, half), expected)


def test_features_at_rest_are_those_of_the_driving_frame(
    network: InpaintingNetwork, source: Tensor
) -> None:
    at_rest = replace(motion(0.5), deformation=identity_grid(8, 8).expand(2, -1, -1, -1))
    features = network.encode(source)
    warped, masked = warp_features(features, at_rest), mask_features(features, at_rest)
    for a, b, f in zip(warped, masked, features, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-4)
        torch.testing.assert_close(b, f * 0.5)


def test_gradient_of_warped_features_reaches_the_flow(
    network: InpaintingNetwork, source: Tensor
) -> None:
    half = motion(0.5)
    half.deformation.requires_grad_()
    constant = [level.detach() for level in network.encode(source)]
    torch.stack([f.square().mean() for f in warp_features(constant, half)]).sum().backward()
    assert half.deformation.grad is not None
    assert half.deformation.grad.abs().sum() > 0
